"""What all tests stand on: names for doctests, and the fast setting for notebooks."""

import os

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


@pytest.fixture(autouse=True)
def names_for_doctests(doctest_namespace):
    """Put torch and the package into every doctest."""
    doctest_namespace.update(torch=torch, fe=fe)


def pytest_collection_modifyitems(items):
    """A notebook that nbmake executes is marked as one."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.notebook)
