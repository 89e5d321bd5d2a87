"""Packages that the host imports and vision work does not need may be absent, broken or slow (V2, V3, V15, V28).

What is wrong: ``core/hooks/aim.py``, ``core/hooks/wandb.py`` and ``datasets/audio_datasets/datasetbase.py`` import aim,
wandb and torchaudio whether or not they are used, its networks of text and sound transformers, and
``core/utils/misc.py`` TensorBoard; ``nets/vit/vit.py`` imports ``timm.models.layers`` (deprecated) and, on the host's
main branch, ``timm.models.layers.helpers`` (gone since timm 0.9); ``datasets/cv_datasets/medmnist.py`` creates
``~/.medmnist``. How it shows: ``import semilearn`` fails, e.g. where torchaudio was built for another torch, takes
three seconds longer than it need, warns, and writes into the home directory. How it is mended: while one of these
modules is executed, and only then, a stand-in takes the place of the package; it loads the package at the first use of
it. When it may go: when the host imports them where they are used.

The window is that narrow because transformers asks ``importlib.util.find_spec`` which packages there are and keeps the
answer: it must never see a stand-in for a package that is absent.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stands for a package until an attribute of it is read; then the package is imported and asked.

    Args:
        name: the package.
        asked_by: what needs the package, for the error where it cannot be imported, e.g. ``"use_aim: True"``.
        sources: the modules to look in; by default the package itself.
        by_name: whether the host imports names from the package, so that reading an attribute is no use of it yet: a
            :class:`LazyMember` stands for each.
    """

    def __init__(self, name: str, asked_by: str, sources: Sequence[str] = (), by_name: bool = False) -> None:
        super().__init__(name, f"Stands for {name} until it is used.")
        # To look for a module within a package would load the package.
        found = None if "." in name else _find_spec(name)
        self.__spec__ = found or ModuleSpec(name, None, is_package=True)
        self.__path__: list[str] = []
        self._asked_by = asked_by
        self._sources = tuple(sources) or (name,)
        self._by_name = by_name

    def __getattr__(self, attribute: str) -> Any:
        # Tools such as inspect and doctest probe modules for dunders; that is no use of the package.
        if attribute.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {attribute!r}")
        return LazyMember(self, attribute) if self._by_name else self.loaded(attribute)

    def loaded(self, attribute: str) -> Any:
        """Import the package and return its ``attribute``.

        Raises:
            ImportError: the package cannot be imported; the message says what needs it.
            AttributeError: it has no such attribute.
        """
        for source in self._sources:
            try:
                module = import_or_clean_up(source)
            except Exception as error:
                package = source.partition(".")[0]
                raise ImportError(
                    f"{self._asked_by} needs {self.__name__}.{attribute}, but {package} cannot be imported "
                    f"({type(error).__name__}: {error}); install it with `pip install {package}`, or do without it",
                    name=package,
                ) from error
            if hasattr(module, attribute):
                return getattr(module, attribute)
        raise AttributeError(f"module {self.__name__!r} has no attribute {attribute!r}")


class LazyMember:
    """Stands for a class or a function of a package until it is called or asked for an attribute.

    Args:
        module: stands for the package.
        name: of the class or function there.
    """

    def __init__(self, module: LazyModule, name: str) -> None:
        self._module, self._name = module, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call what it stands for."""
        return self._module.loaded(self._name)(*args, **kwargs)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(f"{self._module.__name__}.{self._name} is not loaded yet and has no {attribute!r}")
        return getattr(self._module.loaded(self._name), attribute)


def import_or_clean_up(name: str) -> ModuleType:
    """Import ``name``; if that fails, forget the modules of its package that were loaded half-way."""
    before = set(sys.modules)
    try:
        return importlib.import_module(name)
    except BaseException:
        package = name.partition(".")[0]
        for loaded in set(sys.modules) - before:
            if loaded == package or loaded.startswith(package + "."):
                del sys.modules[loaded]
        raise


def _find_spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


@contextmanager
def _standing_in(name: str, stand_in: ModuleType) -> Iterator[None]:
    missing = object()
    before: Any = sys.modules.get(name, missing)
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        if before is missing:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before


@contextmanager
def _unless_loaded(name: str, asked_by: str, by_name: bool = False) -> Iterator[None]:
    if name in sys.modules:
        yield
        return
    with _standing_in(name, LazyModule(name, asked_by, by_name=by_name)):
        yield


@contextmanager
def _later_if_installed(name: str, asked_by: str) -> Iterator[None]:
    if _find_spec(name) is None:
        yield
        return
    with _unless_loaded(name, asked_by):
        yield


@contextmanager
def _timm_layers_where_they_are_now() -> Iterator[None]:
    timm = _find_spec("timm")
    if timm is None or not any((Path(place) / "layers").is_dir() for place in timm.submodule_search_locations or ()):
        yield
        return
    sources = ("timm.layers", "timm.layers.helpers")
    with ExitStack() as stack:
        for name in ("timm.models.layers", "timm.models.layers.helpers"):
            lazy = LazyModule(name, "the host's vision transformer", sources, by_name=True)
            stack.enter_context(_standing_in(name, lazy))
        yield


@contextmanager
def _no_folder_in_home() -> Iterator[None]:
    folder = os.path.join(os.path.expanduser("~"), ".medmnist")
    original = os.makedirs

    def makedirs(name: Any, *args: Any, **kwargs: Any) -> None:
        if os.fspath(name) != folder:
            original(name, *args, **kwargs)

    os.makedirs = makedirs
    try:
        yield
    finally:
        os.makedirs = original


Window = Callable[[], Any]

WINDOWS: dict[str, Window] = {
    "semilearn.core.hooks.aim": partial(_unless_loaded, "aim", "use_aim: True"),
    "semilearn.core.hooks.wandb": partial(_unless_loaded, "wandb", "use_wandb: True"),
    "semilearn.core.utils.misc": partial(_unless_loaded, "torch.utils.tensorboard", "use_tensorboard: True", True),
    "semilearn.datasets.audio_datasets.datasetbase": partial(_unless_loaded, "torchaudio", "an audio data set"),
    "semilearn.nets.bert.bert": partial(_unless_loaded, "transformers", "a network of text", True),
    "semilearn.nets.hubert.hubert": partial(_unless_loaded, "transformers", "a network of sound", True),
    "semilearn.nets.wave2vecv2.wave2vecv2": partial(_unless_loaded, "transformers", "a network of sound", True),
    "semilearn.nets.vit.vit": _timm_layers_where_they_are_now,
    "semilearn.datasets.cv_datasets.medmnist": _no_folder_in_home,
}

WINDOWS_OF_PACKAGES: dict[str, Window] = {
    # The host's vision transformer loads the whole of timm, whose summary module tries wandb.
    "timm.utils.summary": partial(_later_if_installed, "wandb", "timm.utils.update_summary(log_wandb=True)"),
    # As does the host's BERT with transformers, whose audio module tries torchaudio.
    "transformers.audio_utils": partial(_later_if_installed, "torchaudio", "transformers.audio_utils"),
}
"""Modules that are loaded when a network asks for them, long after the host."""


class WindowFinder:
    """Finds the modules of ``windows`` as the other finders do, and has each executed inside its window."""

    def __init__(self, windows: dict[str, Window]) -> None:
        self.windows = windows

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of a module that needs a window; None for every other module."""
        window = self.windows.get(name)
        if window is None:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    _execute_inside(window, spec.loader)
                return spec
        return None


_of_packages: Any = WindowFinder(WINDOWS_OF_PACKAGES)


def _execute_inside(window: Window, loader: Any) -> None:
    original = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        with window():
            original(module)

    loader.exec_module = exec_module


@contextmanager
def stand_ins_while_importing() -> Iterator[None]:
    """Let ``import semilearn`` pass inside the block without the packages that it need not load.

    The windows of those packages' own modules stay, since a network may load them later.
    """
    finder: Any = WindowFinder(WINDOWS)
    if _of_packages not in sys.meta_path:
        sys.meta_path.insert(0, _of_packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
