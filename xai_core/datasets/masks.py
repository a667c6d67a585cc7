"""Which files of a folder of pictures are masks, and of which picture: by their names, and where these could mean
either, by what the files hold."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xai_core.datasets.layout import MASK_FOLDER, MASK_WORDS, Layout, Member
from xai_core.datasets.walk import LeftOut, walk
from xai_core.errors import BadInput, BadParameter
from xai_core.pictures import SUFFIXES, few_levels
from xai_core.text import counted, listed, nfc

_SUFFIXED = re.compile(
    rf"(.+?)(?:[ _.-]+{MASK_WORDS}|(?-i:(?<=[a-z0-9])Masks?|(?<=[0-9])masks?))(?:[ _.-]*\(?\d+\)?)?", re.IGNORECASE
)
_PREFIXED = re.compile(rf"{MASK_WORDS}(?:[ _.-]+of)?[ _.-]+(.+)", re.IGNORECASE)
_WORD = re.compile(MASK_WORDS, re.IGNORECASE)

Looks = Callable[[str], bool]
"""Whether a file looks like a mask: a few even greys."""


@dataclass
class Masks:
    """Mask files of each picture, by the picture's path."""

    of: dict[str, list[Path]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, picture: str, mask: Path) -> None:
        """One more; several are united."""
        self.of.setdefault(picture, []).append(mask)


def find_masks(
    root: Path, layout: Layout, left: LeftOut, *, folder: Path | None = None, shown: str = "", checked: bool = False
) -> Masks:
    """Masks between the pictures, which leave `layout`, and those in a folder of their own.

    Between the pictures they are told by their names (`x_mask.png`, `x_seg_1.png`, `mask_x.png` beside `x.png`), by a
    folder (`masks`, `ground_truth`) whose files are named like pictures, or by the same name with another ending
    (`x.jpg`, `x.png`), where one is of two greys and the other is not. In `folder` they are named in one of these ways
    or like their pictures, with or without the folders above.

    Args:
        shown: what errors call the folder.
        checked: a scan has found which pictures have masks: twins are not opened again.

    Raises:
        BadParameter: no mask is in the folder, or none belongs to a picture.
    """
    masks = Masks()
    looks: Looks = lambda path: few_levels(root / path)  # noqa: E731
    for members in layout.files.values():
        _leave(members, _beside(root, members, masks))
        _leave(members, _in_folders(root, members, masks, left))
    _folders_on_top(root, layout, masks, left, looks)
    aside = _apart(folder, shown, layout) if folder else Masks()
    for picture, files in aside.of.items():
        masks.of.setdefault(picture, []).extend(files)
    for members in layout.files.values():
        _leave(members, _twins(root, members, masks, looks, checked))
    apart = {file for files in aside.of.values() for file in files}
    between = sorted(
        {str(file.relative_to(root)) for files in masks.of.values() for file in files if file not in apart}
    )
    if between:
        owners = sum(any(file not in apart for file in files) for files in masks.of.values())
        masks.notes.append(
            f"{counted(len(between), 'file is', 'files are')} taken as masks of {counted(owners, 'picture')}, not as "
            f"pictures: {listed(between)}."
        )
    lone = [m.path for files in layout.files.values() for m in files if _bare(m.path) != _stem(m.path)]
    if lone:
        masks.notes.append(
            f"{counted(len(lone), 'file is', 'files are')} named like masks, of pictures that are not beside them, and "
            f"taken as pictures: {listed(lone)}."
        )
    masks.notes += aside.notes
    return masks


def _apart(folder: Path, shown: str, layout: Layout) -> Masks:
    try:
        files = [path for path in walk(folder, LeftOut()).below() if _named_picture(path)]
    except BadInput:
        files = []
    if not files:
        raise BadParameter("no masks in this folder", value=shown, remedy="Check the masks parameter.")
    masks = Masks()
    tails = _tails(member.path for members in layout.files.values() for member in members)
    lost = [path for path in files if not _give(masks, folder / path, path, tails)]
    if not masks.of:
        remedy = f"Name masks like their pictures, with or without _mask: {files[0]} is like none."
        raise BadParameter("no mask in this folder belongs to a picture", value=shown, remedy=remedy)
    given = counted(len(files) - len(lost), "mask file belongs", "mask files belong")
    masks.notes.append(f"{given} to {counted(len(masks.of), 'picture')}.")
    if lost:
        many = counted(len(lost), "mask file belongs", "mask files belong")
        masks.notes.append(f"{many} to no picture: {listed(lost)}.")
    return masks


# Ways of lying between the pictures. Each gives the paths that are masks.


def _beside(root: Path, members: list[Member], masks: Masks) -> set[str]:
    by_key: dict[str, list[str]] = {}
    for member in members:
        by_key.setdefault(_stem(member.path), []).append(member.path)
    found = set()
    for member in members:
        pictures = by_key.get(_bare(member.path), [])
        if pictures and _named_picture(member.path) and _bare(member.path) != _stem(member.path):
            found.add(member.path)
            for picture in pictures:
                masks.add(picture, root / member.path)
    return found


def _in_folders(root: Path, members: list[Member], masks: Masks, left: LeftOut) -> set[str]:
    if not any(MASK_FOLDER.fullmatch(part) for part in {part for m in members for part in m.below.split("/")[:-1]}):
        return set()
    folders: dict[str, list[tuple[str, str]]] = {}
    pictures: dict[str, list[str]] = {}
    for member in members:
        *above, name = member.below.split("/")
        at = next((i for i, part in enumerate(above) if MASK_FOLDER.fullmatch(part)), None)
        if at is not None and _named_picture(name):
            key = "/".join([*above[:at], *above[at + 1 :], name])
            folders.setdefault("/".join(above[: at + 1]), []).append((member.path, key))
        else:  # beside `masks` the pictures may have a folder of their own
            for key in {"/".join([*above[:i], *above[i + 1 :], name]) for i in range(len(above))} | {member.below}:
                pictures.setdefault(_stem(key), []).append(member.path)
    found: set[str] = set()
    for files in folders.values():
        owned = {path: pictures.get(_stem(key)) or pictures.get(_bare(key), []) for path, key in files}
        if 2 * sum(map(bool, owned.values())) < len(owned):  # a subfolder of pictures that happens to be called so
            continue
        found |= owned.keys()
        for path, owners in owned.items():
            for picture in owners:
                masks.add(picture, root / path)
        left.add("in a folder of masks, and named like no picture", *(p for p, o in owned.items() if not o))
    return found


def _twins(root: Path, members: list[Member], masks: Masks, looks: Looks, checked: bool) -> set[str]:
    by_key: dict[str, list[str]] = {}
    for member in members:
        if _named_picture(member.path):
            by_key.setdefault(_stem(member.path), []).append(member.path)
    found = set()
    for one, other in (paths for paths in by_key.values() if len(paths) == 2):
        if one in masks.of or other in masks.of:
            continue
        for picture, mask in ((one, other), (other, one)):
            if checked or (looks(mask) and not looks(picture)):
                masks.add(picture, root / mask)
                found.add(mask)
    return set() if checked else found


def _folders_on_top(root: Path, layout: Layout, masks: Masks, left: LeftOut, looks: Looks) -> None:
    """`masks/cat/1.png` of `cat/1.png`. A class may be called "mask": without folders in it, its files must look so."""
    for key in [key for key in layout.files if MASK_FOLDER.fullmatch(key[1])]:
        others = [m.path for of, members in layout.files.items() if of != key and of[0] == key[0] for m in members]
        if _on_top(root, {m.path: m.below for m in layout.files[key]}, others, masks, left, looks):
            del layout.files[key]
    for folder in [folder for folder in layout.aside if MASK_FOLDER.fullmatch(folder.name)]:
        above = folder.path[: -len(folder.name)]
        others = [m.path for members in layout.files.values() for m in members if m.path.startswith(above)]
        if _on_top(root, {path: path[len(folder.path) + 1 :] for path in folder.below()}, others, masks, left, looks):
            layout.aside.remove(folder)


def _on_top(
    root: Path, files: Mapping[str, str], pictures: Iterable[str], masks: Masks, left: LeftOut, looks: Looks
) -> bool:
    """Whether `files` (each with its path below their folder) are masks of the pictures; these get them."""
    tails, given = _tails(pictures), Masks()
    inner = {path: below for path, below in files.items() if _named_picture(path)}
    lost = [path for path, below in inner.items() if not _give(given, root / path, below, tails)]
    deep = all("/" in below for below in inner.values())
    if not inner or 2 * len(lost) > len(inner) or not (deep or all(looks(path) for path in sorted(inner)[:8])):
        return False
    for picture, found in given.of.items():
        masks.of.setdefault(picture, []).extend(found)
    left.add("in a folder of masks, and named like no picture", *lost)
    left.add("no pictures", *(files.keys() - inner.keys()))
    return True


def _leave(members: list[Member], masks: set[str]) -> None:
    members[:] = [member for member in members if member.path not in masks]


# Names


def _named_picture(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in SUFFIXES


def _stem(path: str) -> str:
    """The path without suffix, accents composed."""
    return nfc(os.path.splitext(path)[0] if _named_picture(path) else path)


def _bare(path: str) -> str:
    """The same without what says that it is a mask: `a/x_mask.png`, `a/mask_x.png` and `a/xMask.png` → `a/x`."""
    folder, slash, name = _stem(path).rpartition("/")
    match = (_SUFFIXED.fullmatch(name) or _PREFIXED.fullmatch(name)) if _WORD.search(name) else None
    return f"{folder}{slash}{match.group(1) if match else name}"


def _tails(pictures: Iterable[str]) -> dict[str, list[str]]:
    """Pictures by their path without suffix, and by each end of it."""
    found: dict[str, list[str]] = {}
    for picture in pictures:
        for tail in _ends(_stem(picture)):
            found.setdefault(tail, []).append(picture)
    return found


def _ends(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.partition("/")[2]


def _give(masks: Masks, file: Path, name: str, tails: dict[str, list[str]]) -> bool:
    """Whether exactly one picture ends like the mask's name; it gets the mask."""
    for key in (_stem(name), _bare(name)):
        owners = tails.get(key, [])
        whole = [owner for owner in owners if _stem(owner) == key]
        if len(whole or owners) == 1:
            masks.add((whole or owners)[0], file)
            return True
    return False
