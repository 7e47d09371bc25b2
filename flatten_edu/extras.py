"""Optional packages, fetched when they are needed: the library itself needs torch and einops."""

import importlib
from types import ModuleType


def need(module: str, extra: str = "train") -> ModuleType:
    """The module, or an ImportError in one line that names the extra to install.

    Args:
        module: dotted name, such as "sklearn.datasets".
        extra: the extra of this package that brings it.

    >>> need("json").__name__
    'json'
    >>> need("no_such_package.inside")
    Traceback (most recent call last):
        ...
    ImportError: no_such_package is not installed; it comes with: pip install "flatten-edu[train]"
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).split(".")[0]
        raise ImportError(
            f'{missing} is not installed; it comes with: pip install "flatten-edu[{extra}]"',
            name=missing,
        ) from error
    except ImportError as error:  # it is there, and what it needs is of another version
        name, reason = module.split(".")[0], " ".join(str(error).split())
        raise ImportError(
            f"{name} is installed and cannot be imported ({reason}); install again: "
            f'pip install --upgrade "flatten-edu[{extra}]"',
            name=name,
        ) from error
