"""Python code of a user's own: loaded by file, apart for each folder, and known again by what its files hold.

Python knows a module by name alone, once for the whole process. Two projects that both have a `model.py` would get
whichever came first. So modules that lie in a person's folders are taken out of Python's table once they are loaded,
and put back only while their own project imports something. Imports inside functions (a `forward` that imports a
helper) come through here too, because each module is given an `__import__` of its project's.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import os
import site
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from xai_core.errors import BadInput, NotFound
from xai_core.models.user_code import no_network, user_code

Stamp = tuple[int, int, int] | None
"""When a file was changed (ns), its size and its inode; None where it is gone."""

OURS = {*sys.stdlib_module_names, "__main__", "xai_core", "dashboard", "numpy", "torch", "torchvision", "PIL"}
"""Never loaded a second time, whatever a folder calls its files: this program stands on them."""

_INSTALLED = {"site-packages", "dist-packages"}
_HOMES = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
_HOMES |= {Path(__file__).resolve().parents[1], Path(site.getusersitepackages())}

_LOCK = threading.RLock()
_LOADED: dict[tuple[Path, str], OwnCode] = {}


def load_code(folder: Path, spec: str) -> OwnCode:
    """The project in `folder`, with the module of `package.module:function` loaded.

    The one already loaded is given where none of its files changed since.

    Raises:
        NotFound: no such module, in the folder or on the Python path, or one that it imports.
        BadInput: its code fails.
    """
    key = (folder, spec.partition(":")[0])
    kept = _LOADED.get(key)
    if kept is None or kept.edited():
        _LOADED.pop(key, None)
        kept = OwnCode(folder)
        kept.load(spec)
        _LOADED[key] = kept
    return kept


class OwnCode:
    """One project's modules.

    Attributes:
        folder: where its modules are looked for first.
        modules: its loaded modules by name; those of installed packages are not among them.
        digests: sha256 of each of their files as it was when it was loaded, by name of the module.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: dict[str, ModuleType] = {}
        self.digests: dict[str, str] = {}
        self._stamps: dict[Path, Stamp] = {}
        self._inside = False
        self._path = [str(folder), *sys.path]
        self._places = [str(folder)]
        self.builtins = {**vars(builtins), "__import__": self._import}

    def load(self, spec: str) -> None:
        """Load the module that `package.module:function` names. Raises as `load_code`."""
        importlib.invalidate_caches()
        try:
            with user_code(spec), no_network(spec), self.in_force():
                importlib.import_module(spec.partition(":")[0])
        except BadInput as error:
            if isinstance(cause := error.__cause__, ModuleNotFoundError):
                remedy = "Start from the folder that holds it, or install its package."
                if spec.partition(":")[0].endswith(".py"):
                    remedy = "Name the module as in import: with dots, and without .py."
                raise NotFound(f"no Python module for {spec}", value=cause.name or cause, remedy=remedy) from None
            raise

    def function(self, spec: str) -> Callable[..., Any]:
        """The function that `package.module:function` names. Raises NotFound with those that there are."""
        name, _, attribute = spec.partition(":")
        module = self.modules.get(name) or sys.modules[name]
        with user_code(spec):
            found: Callable[..., Any] | None = getattr(module, attribute, None)
        if not callable(found):
            names = [known for known, value in vars(module).items() if callable(value)]
            raise NotFound.among(f"function in {name}", attribute, names)
        return found

    def edited(self) -> bool:
        """Whether a file was changed, replaced or removed after it was loaded: one `stat` each."""
        return any(_stamp(path) != stamp for path, stamp in self._stamps.items())

    def check(self, known: Mapping[str, str], *, so_far: bool = False) -> None:
        """Raise BadInput where the files are not those of `known`, an earlier `digests`.

        Args:
            so_far: the model is not built yet, and may need more of them than are loaded.
        """
        names = known.keys() & self.digests.keys() if so_far else known.keys()
        changed = sorted(n for n in names if (self.digests.get(n) or self._digest_on_disk(n)) != known[n])
        if changed:
            remedy = "Put the old code back, or import the model again under another name."
            problem = "the model's code is not the code that this run was imported with"
            raise BadInput(problem, value=", ".join(changed), remedy=remedy)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Within, Python sees this project's modules, and looks into its folder first, and where its code adds."""
        with _LOCK:
            if self._inside:
                yield
                return
            aside = {name: sys.modules.pop(name) for name in self._in_the_way()}
            before = set(sys.modules)
            sys.modules.update(self.modules)
            path, sys.path[:] = list(sys.path), self._path
            finders: list[Any] = sys.meta_path
            finders.insert(finders.index(PathFinder) if PathFinder in finders else len(finders), self)
            self._inside = True
            try:
                yield
            finally:
                self._inside = False
                finders.remove(self)
                self._path, sys.path[:] = list(sys.path), path
                self._places = [place for place in self._path if place not in path]
                self._collect([name for name in sys.modules if name not in before])
                sys.modules.update(aside)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """What Python's own finder finds; source files of the user's get a loader that remembers them."""
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader) and self._is_own(spec.origin):
            spec.loader = _Loader(name, str(spec.origin), self)
        return spec

    def note(self, name: str, path: Path, stamp: Stamp, data: bytes) -> None:
        """Remember the file that a module was loaded from."""
        self._stamps[path] = stamp
        self.digests[name] = hashlib.sha256(data).hexdigest()

    def _digest_on_disk(self, name: str) -> str:
        """Of the file of a module that is not loaded this time; "" where there is none."""
        parts = name.split(".")
        if not all(part.isidentifier() for part in parts):  # the name comes out of a study
            return ""
        places = [Path(place, *parts) for place in self._places]
        files = [f for p in places for f in (p.with_suffix(".py"), p / "__init__.py") if f.is_file()]
        return hashlib.sha256(files[0].read_bytes()).hexdigest() if files else ""

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """`import`, as this project's modules do it, at any time."""
        if level == 0 and not self._may_hold(name.partition(".")[0]):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        with self.in_force():
            return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _may_hold(self, top: str) -> bool:
        places = map(Path, self._places)
        return top in self.modules or any((p / f"{top}.py").exists() or (p / top).is_dir() for p in places)

    def _in_the_way(self) -> list[str]:
        """Loaded modules that have the name of one in this folder."""
        try:
            here = {entry.removesuffix(".py") for entry in os.listdir(self.folder)} - OURS
        except OSError:
            return []
        tops = {name for name in here & sys.modules.keys() if self._is_module(name) or self._holds(sys.modules[name])}
        return [name for name in sys.modules if name.partition(".")[0] in tops]

    def _is_module(self, name: str) -> bool:
        """Other than a mere folder, which an installed package of that name goes before."""
        return (self.folder / f"{name}.py").is_file() or (self.folder / name / "__init__.py").is_file()

    def _collect(self, names: Iterable[str]) -> None:
        """Take what was loaded out of Python's table, and keep it."""
        for name in names:
            module = sys.modules[name]
            if name in self.modules or self._holds(module):
                self.modules[name] = sys.modules.pop(name)
                file = getattr(module, "__file__", None)
                if file and name not in self.digests and Path(file).is_file():  # a compiled module, or a foreign loader
                    self.note(name, Path(file), _stamp(Path(file)), Path(file).read_bytes())

    def _holds(self, module: ModuleType) -> bool:
        spec = getattr(module, "__spec__", None)
        places = [getattr(spec, "origin", None), *(getattr(spec, "submodule_search_locations", None) or ())]
        return any(self._is_own(place) for place in places)

    def _is_own(self, place: object) -> bool:
        """Whether a file lies in the folder, or anywhere else than where packages are installed."""
        path = Path(str(place))
        if not path.is_absolute():  # "built-in", "frozen", None
            return False
        inside = path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        homes = (home for home in _HOMES if not self.folder.is_relative_to(home))
        return not _INSTALLED & set(inside.parts) and not any(path.is_relative_to(home) for home in homes)


class _Loader(SourceFileLoader):
    """Runs the very bytes that are remembered: a compiled copy may be older than the source, and none is left."""

    def __init__(self, name: str, path: str, code: OwnCode) -> None:
        super().__init__(name, path)
        self.code = code

    def get_code(self, fullname: str) -> CodeType | None:
        path = Path(self.path)
        stamp, data = _stamp(path), self.get_data(self.path)
        self.code.note(fullname, path, stamp, data)
        compiled: CodeType = self.source_to_code(data, self.path)
        return compiled

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self.code.builtins
        super().exec_module(module)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
