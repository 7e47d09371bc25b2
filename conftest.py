"""What every doctest may use without importing it."""

import pytest
import torch

import flatten_edu as fe


@pytest.fixture(autouse=True)
def names_for_doctests(doctest_namespace):
    """Put torch and the package into every doctest."""
    doctest_namespace.update(torch=torch, fe=fe)
