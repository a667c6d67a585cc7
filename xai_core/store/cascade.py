"""Where a run keeps the cascade of a method: how alike its maps stay, and a few small maps to look at.

`runs/<run>/cascade/<method>-<hash>/`, and `pictures/` in it. What is kept depends on the maps, the measures, how a
model is parted into stages and what becomes of its statistics; the stages' names stand in the manifest, beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xai_core.params import digest
from xai_core.sanity.verdict import MEASURES
from xai_core.store.likenesses import LikenessStore
from xai_core.store.maps import MapStore
from xai_core.store.run import Run

FOLDER, PICTURES, STAGES = "cascade", "pictures", "stages"
PARTED = 1
"""How a model is parted into stages: raised when the same model gives others."""


def likenesses(
    run: Run,
    method: str,
    params: Any,
    *,
    statistics: str = "reset",
    create: bool = False,
    made_with: Mapping[str, Any] | None = None,
) -> LikenessStore | None:
    """How alike one method's maps are to those of other states of the model; None where nothing is stored.

    Args:
        run: a run with a model.
        method: key of an explainer.
        params: an instance of its params type.
        statistics: what becomes of BatchNorm's, `reset` or `kept`.
        create: make the store where there is none.
        made_with: facts for a new store's manifest, the names of the stages among them.

    Raises:
        NotFound: no such method.
        BadInput: the store is damaged.
    """
    about = _identity(run, method, params, statistics)
    return LikenessStore.at(_folder(run, method, about), about, create=create, made_with=made_with)


def pictures(run: Run, method: str, params: Any, *, statistics: str = "reset", create: bool = False) -> MapStore | None:
    """Small maps of a few samples, kept by the state of the model (`State.key`) instead of the target alone.

    Arguments and errors as of `likenesses`.
    """
    about = _identity(run, method, params, statistics)
    return MapStore.at(_folder(run, method, about) / PICTURES, about | {"small": True}, create=create)


def stages_of(store: LikenessStore) -> Sequence[str]:
    """Names of the stages, from the input to the output; empty where the manifest does not say."""
    found = store.made_with().get(STAGES)
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else []


def stamp(run: Run, method: str, params: Any, *, statistics: str = "reset") -> tuple[str, int, int]:
    """What changes whenever something is added: cheap to ask, and a key for who keeps an answer."""
    folder = _folder(run, method, _identity(run, method, params, statistics))
    try:
        found = (folder / "index.sqlite").stat()
    except OSError:
        return str(folder), 0, 0
    return str(folder), found.st_mtime_ns, found.st_size


def _identity(run: Run, method: str, params: Any, statistics: str) -> dict[str, Any]:
    maps = run.maps_identity(method, params)
    return {"maps": maps, "measures": list(MEASURES), "stages": PARTED, "statistics": statistics}


def _folder(run: Run, method: str, about: Mapping[str, Any]) -> Path:
    return run.path / FOLDER / f"{method}-{digest(about)[:8]}"
