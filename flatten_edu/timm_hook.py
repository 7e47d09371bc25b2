"""Our networks become known to timm as soon as a program imports it; nothing is imported for it."""

import importlib.util
import sys
import warnings
from importlib.abc import Loader, MetaPathFinder


def register_when_imported() -> None:
    """Register now if timm is there, else as soon as it is imported."""
    if "timm" in sys.modules:
        _try_to_register()
    else:
        sys.meta_path.insert(0, _WhenImported())


def _try_to_register() -> None:
    try:
        from .backbones.timm_models import register_in_timm

        register_in_timm()
    except ImportError as error:
        warnings.warn(
            f"timm is too different to register our networks in it: {error}", stacklevel=2
        )


class _WhenImported(MetaPathFinder):
    """Waits for the import of timm, finds it as everybody does, and registers afterwards."""

    def find_spec(self, fullname: str, path, target=None):
        """The spec of timm with one step more; None for everything else."""
        if fullname != "timm":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenRegister(spec.loader)
        return spec


class _ThenRegister(Loader):
    def __init__(self, loader: Loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module) -> None:
        self.loader.exec_module(module)
        _try_to_register()

    def __getattr__(self, name: str):
        return getattr(self.loader, name)
