"""How a folder of pictures is laid out: which file belongs to which split and class, and why the others do not."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.text import counted, listed, plain_name
from xai_core.types import SPLITS, Split

_SYSTEM_FOLDERS = frozenset(
    {"@eadir", "@tmp", "@recycle", "@recently-snapshot", "@__thumb", "@__qini", "#recycle", "#snapshot", "~snapshot"}
    | {"$recycle.bin", "recycler", "recycled", "lost+found", "found.000", "system volume information"}
    | {"network trash folder", "temporary items", "__macosx", "__pycache__"}
)
"""What file servers, Windows and archives leave between a person's folders: previews, deleted files."""

_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon"})
_WORDLESS = re.compile(r"\.ds_store|\.git\w+|\._.*|thumbs\.db|ehthumbs\.db|desktop\.ini|icon")
"""System files that no person takes for pictures: they are not even counted."""

_SPLIT_WORDS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
_SET_WORD = "set|data|dataset|split|images|imgs|pictures"
_PICTURES_WORD = re.compile(rf"(?:{_SET_WORD}|image|img|picture|photos?|scans?|originals?|raw)", re.IGNORECASE)
_UNLABELLED = re.compile(rf"{_PICTURES_WORD.pattern}|all|none|unknown|un-?labell?ed|test(?:ing)?", re.IGNORECASE)
_SPLIT_WORD = re.compile(f"({'|'.join(sorted(_SPLIT_WORDS, key=len, reverse=True))})(?:{_SET_WORD})?")

MASK_WORDS = r"(?:masks?|seg|segm|segmentations?|gt|ground[ _-]?truths?|labels?|annotations?|rois?|trimaps?)"
MASK_FOLDER = re.compile(rf"{MASK_WORDS}|.+[ _.-](?:masks?|segmentations?|gt)", re.IGNORECASE)
"""How folders of masks are called."""


@dataclass
class Folder:
    """A folder as it was walked: its plain files and its folders, by name."""

    name: str
    path: str
    folders: list[Folder] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def below(self) -> Iterator[str]:
        """Paths of all files in it, at any depth."""
        yield from self.files
        for folder in self.folders:
            yield from folder.below()

    def full(self) -> list[Folder]:
        """Its folders that hold a file at any depth."""
        return [folder for folder in self.folders if any(folder.below())]


class LeftOut:
    """Files that do not get into the study, by reason. Nothing is dropped in silence: what is not taken is here."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self.unreadable: list[tuple[str, str]] = []

    def add(self, reason: str, *names: str) -> None:
        """`reason` stands in the brackets of “2 files were left out (…): a, b.”; names of folders end in `/`."""
        if names:
            self._names.setdefault(reason, []).extend(names)

    def notes(self) -> list[str]:
        """One sentence per reason, with the number of files and the first names."""
        return [
            f"{_what(names)} left out ({reason}): {listed(sorted(names))}." for reason, names in self._names.items()
        ]


def _what(names: list[str]) -> str:
    if any(name.endswith("/") for name in names):
        return counted(len(names), "file or folder was", "files or folders were")
    return counted(len(names), "file was", "files were")


@dataclass(frozen=True)
class Member:
    """A file of a class: its path, and the same from the folder of its class on."""

    path: str
    below: str


@dataclass
class Layout:
    """Files by split and class, and what a person should know of how they were found.

    Attributes:
        unlabelled: by split, the folder of its pictures, which has no class folders.
        aside: folders beside those of the classes or splits.
    """

    files: dict[tuple[Split, str], list[Member]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unlabelled: dict[Split, Folder] = field(default_factory=dict)
    aside: list[Folder] = field(default_factory=list)

    def classes(self, split: Split | None = None) -> list[str]:
        """Names of the classes that have files, sorted."""
        return sorted({name for (of, name), files in self.files.items() if files and split in (None, of)})


# Walking: what lies where. No file is opened.


def walk(root: Path, left: LeftOut, without: Path | None = None) -> Folder:
    """The tree of a folder, sorted by name, without `without`.

    Links to files and folders within the folder are followed, though no link below a linked folder: so there are no
    loops. Pipes, sockets and devices are left out.

    Raises:
        BadInput: the folder itself cannot be read.
    """
    return _Walk(root, left, without).folder(Folder("", ""), linked=False)


class _Walk:
    def __init__(self, root: Path, left: LeftOut, without: Path | None) -> None:
        self._root, self._left, self._without = root, left, without

    def folder(self, folder: Folder, *, linked: bool) -> Folder:
        try:
            with os.scandir(self._root / folder.path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not folder.path:
                raise _unreadable(self._root, error) from None
            self._left.unreadable.append((folder.path, f"the folder cannot be read ({os.strerror(error.errno or 0)})"))
            return folder
        for entry in entries:
            self._entry(folder, entry, linked)
        return folder

    def _entry(self, folder: Folder, entry: os.DirEntry[str], linked: bool) -> None:
        name = entry.name
        path = f"{folder.path}/{name}" if folder.path else name
        try:
            name.encode()
        except UnicodeEncodeError:
            self._left.unreadable.append((path.encode("utf-8", "replace").decode(), "its name is not valid UTF-8"))
            return
        if _is_system(name):
            if not _WORDLESS.fullmatch(name.lower()):
                self._left.add("hidden, or the system's", f"{path}/" if os.path.isdir(entry.path) else path)
            return
        reason = self._bad_link(self._root / path, linked) if entry.is_symlink() else None
        if reason:
            self._left.add(reason, f"{path}/" if os.path.isdir(entry.path) else path)
        elif entry.is_file():
            folder.files.append(path)
        elif not entry.is_dir():
            self._left.add("pipes, sockets or devices", path)
        elif self._without is None or Path(os.path.realpath(entry.path)) != self._without:
            folder.folders.append(self.folder(Folder(name, path), linked=linked or entry.is_symlink()))

    def _bad_link(self, link: Path, linked: bool) -> str | None:
        target = Path(os.path.realpath(link))
        if not target.is_relative_to(self._root):
            return "links that lead out of the data folder"
        if not target.exists():
            return "links that lead nowhere"
        if target.is_dir() and (linked or Path(os.path.realpath(link.parent)).is_relative_to(target)):
            return "links back into folders that are taken already"
        return None


def _unreadable(root: Path, error: OSError) -> BadInput:
    if not root.is_dir():
        return BadInput("no such data folder", value=root.name, remedy="Check the path.")
    reason = os.strerror(error.errno or 0)
    return BadInput("the data folder cannot be read", value=root.name, remedy=f"Check that it can be opened: {reason}.")


def _is_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS | _SYSTEM_FILES or name == "Icon\r"


# Arranging: splits, then classes, then the files of each


def arrange(root: Folder, left: LeftOut) -> Layout:
    """Which file belongs to which split and class. Without split folders everything is training.

    Raises:
        BadInput: splits without training, or one split twice.
    """
    layout = Layout()
    root = _whole(root, layout, left)
    splits = _splits(root, layout)
    left.add("in no class folder, so without a label", *root.files)
    if splits:
        splits = {split: _inner(folder, layout, left) for split, folder in splits.items()}
        loose = [file for folder in splits.values() for file in folder.files]
        left.add("in no class folder, so without a label", *loose)
        _without_labels(splits, layout)
    for split, folder in (splits or {"train": root}).items():
        for class_folder in folder.folders:
            _take(layout, split, class_folder)
    _one_spelling(layout)
    return layout


def _whole(root: Folder, layout: Layout, left: LeftOut) -> Folder:
    """Below folders that hold nothing but the data folder: archives often unpack so."""
    full = root.full()
    if len(full) == 1 and _split_folders(full[0], {}):
        layout.notes.append(f"The splits were found in {full[0].path}.")
        left.add("in no class folder, so without a label", *root.files)
        return full[0]
    if _split_folders(root, {}):
        return root
    inner = _inner(root, layout, left)
    return inner if inner is root else _whole(inner, layout, left)


def _inner(folder: Folder, layout: Layout, left: LeftOut) -> Folder:
    """`images` of a folder that holds nothing else, or only masks beside it: one folder alone is no choice of classes.

    It is looked through where it has folders. Those of masks lie aside then.
    """
    full = folder.full()
    beside = [other for other in full if MASK_FOLDER.fullmatch(other.name)]
    inner = [other for other in full if other not in beside]
    if len(inner) != 1 or (beside and not _PICTURES_WORD.fullmatch(inner[0].name)):
        return folder
    below = inner[0].full()
    if all(_said(other.name) and not other.folders for other in below):  # none at all, or splits without classes
        return folder
    layout.notes.append(f"The pictures were found in {inner[0].path}.")
    left.add("in no class folder, so without a label", *folder.files)
    layout.aside += beside
    return inner[0]


def _without_labels(splits: dict[Split, Folder], layout: Layout) -> None:
    """`test/unknown` and `val/images` are no classes, where training has none of these names."""
    trained = {_class_name(folder.name) for folder in splits["train"].full()}
    for split in [split for split in splits if split != "train"]:
        full = splits[split].full()
        named = [folder for folder in full if _UNLABELLED.fullmatch(folder.name) and folder.name not in trained]
        if len(full) == len(named) == 1 and not full[0].folders:
            layout.unlabelled[split] = full[0]
            del splits[split]


def _splits(root: Folder, layout: Layout) -> dict[Split, Folder]:
    splits = _split_folders(root, layout.unlabelled)
    others = [folder for folder in root.folders if folder not in splits.values()]
    if splits and "train" not in splits:
        if any(any(folder.below()) for folder in others):  # classes may be called "valid" and "invalid"
            layout.unlabelled.clear()
            return {}
        raise BadInput(
            "there is no training folder", value=root.name or "data folder", remedy="Call one of them train."
        )
    if splits:
        layout.aside += [folder for folder in others if folder not in layout.unlabelled.values()]
    return {split: _undoubled(splits[split]) for split in SPLITS if split in splits}


def _split_folders(root: Folder, unlabelled: dict[Split, Folder]) -> dict[Split, Folder]:
    """Folders whose names say a split, and no more than that beside what they share: `train`, `Dev_set`, `seg_train`.

    Those that hold pictures but no folders are put into `unlabelled`: a class, too, may be called "train".
    """
    named = [(folder, *said) for folder in root.folders if (said := _said(folder.name)) is not None]
    for rest in ["", *sorted({rest for _, _, rest in named} - {""})]:
        alike = [(folder, word) for folder, word, of in named if of == rest]
        found: dict[Split, Folder] = {}
        flat: dict[Split, Folder] = {}
        for folder, word in alike:
            split = _meant(word, [other for _, other in alike])
            if not folder.folders:
                flat[split] = folder
            elif split in found:
                both = f"{found[split].name} and {folder.name}"
                raise BadInput(f"two folders hold the {split} split", value=both, remedy="Keep one of them.")
            else:
                found[split] = folder
        if found and (not rest or ("train" in found and len(alike) > 1)):
            unlabelled.update({split: folder for split, folder in flat.items() if split not in found})
            return found
    return {}


def _said(name: str) -> tuple[str, str] | None:
    """The word for a split in a folder's name, and what else it says; None where no word or several are there."""
    words = re.findall(r"[^\W\d_]+|\d+", name.casefold())
    hits = [match.group(1) for word in words if (match := _SPLIT_WORD.fullmatch(word))]
    if len(hits) != 1:
        return None
    rest = [word for word in words if not _SPLIT_WORD.fullmatch(word) and not re.fullmatch(_SET_WORD, word)]
    return hits[0], " ".join(rest)


def split_named(word: str) -> Split | None:
    """The split that a word of any case means; None where it means none."""
    return _SPLIT_WORDS.get(word.strip().casefold())


def _meant(word: str, words: list[str]) -> Split:
    """`eval` is the test, unless a test lies beside it and no validation does."""
    others = {_SPLIT_WORDS[other] for other in words if not other.startswith("eval")}
    if word.startswith("eval") and "test" in others and "validation" not in others:
        return "validation"
    return _SPLIT_WORDS[word]


def _undoubled(split: Folder) -> Folder:
    """`train/train` is `train`."""
    inner = split.folders[0] if len(split.folders) == 1 else None
    doubled = inner is not None and not split.files and inner.folders and _said(inner.name) == _said(split.name)
    return inner if inner is not None and doubled else split


def _take(layout: Layout, split: Split, folder: Folder) -> None:
    start = len(folder.path) + 1
    members = [Member(path, path[start:]) for path in folder.below()]
    layout.files.setdefault((split, folder.name), []).extend(members)


def _one_spelling(layout: Layout) -> None:
    """Folders whose names look the same are one class, and so are those that differ between splits in case alone."""
    trained = {_class_name(name) for split, name in layout.files if split == "train"}
    cases = Counter(name.casefold() for name in trained)
    in_training = {name.casefold(): name for name in trained if cases[name.casefold()] == 1}
    files, spellings = layout.files, dict[str, set[str]]()
    layout.files = {}
    for (split, folder), members in files.items():
        name = _class_name(folder)
        if name not in trained:
            name = in_training.get(name.casefold(), name)
        layout.files.setdefault((split, name), []).extend(members)
        spellings.setdefault(name, set()).add(folder)
    for name, folders in sorted(spellings.items()):
        if len(folders) > 1:
            raw = ", ".join(ascii(folder) for folder in sorted(folders))
            layout.notes.append(f"Folders that differ only in blanks, accents or case are one class, {name}: {raw}.")
    alike = sorted(name for name in trained if cases[name.casefold()] > 1)
    if alike:
        layout.notes.append(f"Classes that differ only in case are kept apart: {', '.join(alike)}.")


def _class_name(folder: str) -> str:
    return plain_name(folder) or folder


# Subfolders of a class: often one for each patient, camera or day


def groups(layout: Layout) -> dict[str, str]:
    """For each file below a subfolder of its class, the name of that subfolder.

    Folders that hold all of a class, as in `cat/images/p1`, are passed by.
    """
    found: dict[str, str] = {}
    for members in layout.files.values():
        parts = [member.below.split("/") for member in members]
        depth = 0
        while members and all(len(part) > depth + 1 for part in parts) and len({part[depth] for part in parts}) == 1:
            depth += 1
        for member, part in zip(members, parts, strict=True):
            if len(part) > depth + 1:
                found[member.path] = plain_name(part[depth])
    return found


def nested_notes(layout: Layout) -> list[str]:
    """A sentence on files in subfolders of a class, where there are some."""
    nested = [
        f"{name}/{member.below.rpartition('/')[0]}"
        for (_, name), members in layout.files.items()
        for member in members
        if "/" in member.below
    ]
    if not nested:
        return []
    verbs = ("lies", "belongs") if len(nested) == 1 else ("lie", "belong")
    where = listed(sorted(set(nested)))
    notes = [
        f"{counted(len(nested), 'file')} {verbs[0]} in subfolders of a class ({where}) and {verbs[1]} to the class."
    ]
    first = {name: set[str]() for name in layout.classes()}
    for (_, name), members in layout.files.items():
        for member in members:
            first[name].add(member.below.partition("/")[0] if "/" in member.below else "")
    same = set.intersection(*first.values())
    if len(same) > 1 and all(folders == same for folders in first.values()):
        inner, outer = listed(sorted(same)), listed(sorted(first))
        notes.append(
            f"Every class has the subfolders {inner}: if these are the classes, and not {outer}, arrange them so."
        )
    return notes
