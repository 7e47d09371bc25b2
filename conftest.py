"""What all tests stand on: names for doctests, and the fast setting for notebooks."""

import os
from importlib.metadata import PackageNotFoundError, version

import pytest
import torch

import flatten_edu as fe

# Chapters that train or measure have a fast setting, in which their asserts hold as well.
os.environ.setdefault("FLATTEN_EDU_FAST", "1")
# As saved pages, chapters draw their sliders' other values too, not the first picture alone.
os.environ.setdefault("FLATTEN_EDU_FRAMES", "1")
# Data that must be fetched is not: nothing waits for a network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")


# What the course stands on, in the order in which it is printed.
PACKAGES = ("torch", "einops", "numpy", "matplotlib", "ipywidgets", "jupyterlab", "datasets")


def pytest_report_header():
    """The versions that the tests run with."""
    return "versions: " + ", ".join(f"{name} {installed(name)}" for name in PACKAGES)


def installed(name: str) -> str:
    """The version of a package, or that it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not there"


@pytest.fixture(autouse=True)
def names_for_doctests(doctest_namespace):
    """Put torch and the package into every doctest."""
    doctest_namespace.update(torch=torch, fe=fe)


def pytest_collection_modifyitems(items):
    """A notebook that nbmake executes is marked as one."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.notebook)
