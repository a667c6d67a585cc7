"""The bundled study, and the copy of it that somebody works in."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
import uuid
from pathlib import Path

from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.files import ASSETS, ROOT, cache_folder, storage_errors, write_atomic
from xai_core.store.files import new_folder
from xai_core.store.maps import MapStore
from xai_core.store.study import Study

BUNDLE = ASSETS / "demo" / "garments"

CHECKS, UNPACKED = "checks.tar.xz", "checks.txt"
"""What is known of the methods, beside the bundled runs; and in a copy, which archive of it was unpacked there."""


def bundled() -> Study:
    """The bundled study itself, to look at.

    Raises:
        NotFound: there is none here.
    """
    if not BUNDLE.is_dir():
        remedy = "Make it with xai demo --rebuild, or install the project anew."
        raise NotFound("the demo study is not bundled here", value=BUNDLE, remedy=remedy)
    return Study.open(BUNDLE)


def working_copy() -> Path:
    """A copy of the bundled study in the user's cache: what is computed in it leaves the bundle as it is.

    Raises:
        NotFound: there is no bundled study here.
        BadInput, StorageFull: the cache cannot be written; nothing is left behind.
    """
    study = bundled()
    identity = "-".join([study.info.samples_digest[:8], *(study.run(n).info.fingerprint[:8] for n in study.runs())])
    copy = cache_folder() / identity / BUNDLE.name
    if not copy.is_dir():
        try:
            with new_folder(copy, "copy of the demo") as half, storage_errors(copy):
                shutil.copytree(BUNDLE, half, ignore=lambda *_: {CHECKS}, copy_function=_copied, dirs_exist_ok=True)
        except BadInput as error:
            remedy = f"Set XDG_CACHE_HOME to a folder that you may write to ({error.value})."
            raise BadInput("no place for a copy of the demo", value=copy, remedy=remedy) from None
        except BadParameter:
            if not copy.is_dir():  # else another process was faster
                raise
    _add_new_maps(copy)
    add_checks(BUNDLE / CHECKS, copy)
    return copy


def _add_new_maps(copy: Path) -> None:
    """Bring heatmaps that came since into a copy that somebody may have written tags and notes in."""
    for maps in (*BUNDLE.glob("runs/*/explanations/*"), *BUNDLE.glob("runs/*/sanity/*/*")):
        store = copy / maps.relative_to(BUNDLE)
        if store.is_dir():
            _add_missing(MapStore(maps), MapStore(store))
            continue
        with contextlib.suppress(BadParameter), new_folder(store, "copy") as half:  # another process was faster
            shutil.copytree(maps, half, copy_function=_copied, dirs_exist_ok=True)


def add_checks(archive: Path, copy: Path) -> None:
    """Bring scores and cascades into a copy; a store that is there already stays as it is.

    Raises BadInput, StorageFull: the copy cannot be written; each store is there whole or not at all.
    """
    if not archive.is_file():
        return
    digest, marker = hashlib.sha256(archive.read_bytes()).hexdigest(), copy / UNPACKED
    if marker.is_file() and marker.read_text(encoding="utf-8") == digest:
        return
    with storage_errors(copy), tempfile.TemporaryDirectory(prefix=".checks-", dir=copy) as beside:
        with tarfile.open(archive) as held:
            held.extractall(beside, filter="data")
        for manifest in sorted(Path(beside).rglob("manifest.json"), key=lambda file: len(file.parts)):
            store = copy / manifest.parent.relative_to(beside)
            store.parent.mkdir(parents=True, exist_ok=True)
            if manifest.exists() and not store.exists():  # with the store around it it is there already
                manifest.parent.rename(store)
        write_atomic(marker, digest.encode())


def _add_missing(bundled: MapStore, kept: MapStore) -> None:
    missing = sorted({*bundled.named()} - {*kept.named()})
    if missing:
        rows, targets = [row for row, _ in missing], [target for _, target in missing]
        found = bundled.get(rows, targets)
        kept.put(rows, targets, found.maps, found.diagnostics, found.refusals)


def _copied(source: str, target: str) -> str:
    with storage_errors(Path(target)):  # or `copytree` goes on with the next file and loses the reason
        return shutil.copyfile(source, target)


def replaceable() -> Path:
    """Where a bundled study that is made again goes.

    Raises:
        BadParameter: the project is installed, and what was installed stays as it is.
    """
    if ASSETS.parent != ROOT:
        raise BadParameter("the installed demo stays as it is", value=BUNDLE, remedy="Add --into FOLDER.")
    return BUNDLE


def set_aside() -> str | None:
    """Move the bundled study out of the way, whole: somebody may have worked in it. Returns where it is now."""
    if not os.path.lexists(BUNDLE):
        return None
    former = ROOT / "build" / f"demo-{uuid.uuid4().hex[:8]}"
    former.parent.mkdir(exist_ok=True)
    BUNDLE.rename(former)
    return str(former)
