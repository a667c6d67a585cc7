"""Nothing is pickled, ever: a stored file must not be able to run code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("xai_core", "dashboard", "benchmarks")
MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
ERRORS = {"UnpicklingError", "PickleError"}  # what loading a hostile file raises may be caught
CALLS = {"read_pickle", "to_pickle"}


def offences(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [n.name for n in names if n.name.split(".")[0] in MODULES - {"pickle"}]
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] in MODULES:
                found += [n.name for n in names if n.name not in ERRORS]
            case ast.Attribute(value=ast.Name(id="pickle"), attr=attr) if attr not in ERRORS:
                found.append(f"pickle.{attr}")
            case ast.Attribute(attr=attr) if attr in CALLS:
                found.append(attr)
            case ast.keyword(arg="allow_pickle", value=value) if not _is(value, False):
                found.append("allow_pickle")
            case ast.keyword(arg="weights_only", value=value) if not _is(value, True):
                found.append("weights_only")
    return found


def _is(node: ast.expr, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_pickled(folder: str) -> None:
    bad = {path.name: found for path in (ROOT / folder).rglob("*.py") if (found := offences(path.read_text("utf-8")))}
    assert bad == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.loads(b'')",
        "from pickle import loads",
        "import joblib",
        "from dill import load",
        "np.load(f, allow_pickle=True)",
        "torch.load(f, weights_only=False)",
        "pd.read_pickle(f)",
    ],
)
def test_the_rule_sees_it(source: str) -> None:
    assert offences(source)
