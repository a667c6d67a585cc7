"""How a folder of pictures is laid out: which file belongs to which split and class, and why the others do not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from xai_core.datasets.split_words import SET_WORD, meant, said
from xai_core.datasets.walk import Folder, LeftOut
from xai_core.errors import BadInput
from xai_core.text import counted, listed, plain_name
from xai_core.types import SPLITS, Split

PICTURES_WORD = re.compile(rf"(?:{SET_WORD}|image|img|picture|photos?|scans?|originals?|raw)", re.IGNORECASE)
_UNLABELLED = re.compile(rf"{PICTURES_WORD.pattern}|all|none|unknown|un-?labell?ed|test(?:ing)?", re.IGNORECASE)
MASK_WORDS = r"(?:masks?|seg|segm|segmentations?|gt|ground[ _-]?truths?|labels?|annotations?|rois?|trimaps?)"
MASK_FOLDER = re.compile(rf"{MASK_WORDS}|.+[ _.-](?:masks?|segmentations?|gt)", re.IGNORECASE)
"""How folders of masks are called."""


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
        trains: whether any of them are for training.
    """

    files: dict[tuple[Split, str], list[Member]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unlabelled: dict[Split, Folder] = field(default_factory=dict)
    aside: list[Folder] = field(default_factory=list)
    trains: bool = True

    def classes(self, split: Split | None = None) -> list[str]:
        """Names of the classes that have files, sorted."""
        return sorted({name for (of, name), files in self.files.items() if files and split in (None, of)})


# Arranging: splits, then classes, then the files of each


def arrange(root: Folder, left: LeftOut, *, test_only: bool = False, inner: bool = False) -> Layout:
    """Which file belongs to which split and class. Without split folders everything is training.

    Args:
        test_only: nothing is for training: without split folders everything is the test, and of split folders that
            of the test is taken, else that of the validation. So it is with a folder of either that lies alone.
        inner: a class is the folder that holds the pictures, however deep, and not the one below the split.

    Raises:
        BadInput: one split twice.
    """
    layout = Layout(trains=not test_only)
    root = _whole(root, layout, left)
    splits = _splits(root, layout)
    left.add("in no class folder, so without a label", *root.files)
    if splits:
        splits = _tests(splits, layout, left) if test_only or "train" not in splits else splits
        splits = {split: _inner(folder, layout, left) for split, folder in splits.items()}
        loose = [file for folder in splits.values() for file in folder.files]
        left.add("in no class folder, so without a label", *loose)
        _without_labels(splits, layout)
    for split, folder in (splits or {"test" if test_only else "train": root}).items():
        for class_folder in folder.folders:
            _take(layout, split, class_folder, inner)
    _one_spelling(layout)
    return layout


def _tests(splits: dict[Split, Folder], layout: Layout, left: LeftOut) -> dict[Split, Folder]:
    """The one that is tested on; where training pictures just are not there, both of a test and a validation."""
    if layout.trains and len(splits) > 1:
        layout.trains = False
        return splits
    layout.trains = False
    chosen = next(split for split in ("test", "validation", "train") if split in splits)
    others = [folder for split, folder in splits.items() if split != chosen]
    left.add("not of the test", *(path for folder in others for path in folder.below()))
    layout.notes.append(f"The folder {splits[chosen].path} is the test.")
    return {"test": splits[chosen]}


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
    if len(inner) != 1 or (beside and not PICTURES_WORD.fullmatch(inner[0].name)):
        return folder
    below = inner[0].full()
    if all(said(other.name) and not other.folders for other in below):  # none at all, or splits without classes
        return folder
    layout.notes.append(f"The pictures were found in {inner[0].path}.")
    left.add("in no class folder, so without a label", *folder.files)
    layout.aside += beside
    return inner[0]


def _without_labels(splits: dict[Split, Folder], layout: Layout) -> None:
    """`test/unknown` and `val/images` are no classes, where training has none of these names."""
    trained = {_class_name(folder.name) for folder in splits["train"].full()} if "train" in splits else set[str]()
    for split in [split for split in splits if split != "train"]:
        full = splits[split].full()
        named = [folder for folder in full if _UNLABELLED.fullmatch(folder.name) and folder.name not in trained]
        if len(full) == len(named) == 1 and not full[0].folders:
            layout.unlabelled[split] = full[0]
            del splits[split]


def _splits(root: Folder, layout: Layout) -> dict[Split, Folder]:
    splits = _split_folders(root, layout.unlabelled)
    others = [folder for folder in root.folders if folder not in splits.values()]
    if splits and "train" not in splits and any(any(folder.below()) for folder in others):
        layout.unlabelled.clear()  # classes may be called "valid" and "invalid"
        return {}
    if splits:
        layout.aside += [folder for folder in others if folder not in layout.unlabelled.values()]
    return {split: _undoubled(splits[split]) for split in SPLITS if split in splits}


def _split_folders(root: Folder, unlabelled: dict[Split, Folder]) -> dict[Split, Folder]:
    """Folders whose names say a split, and no more than that beside what they share: `train`, `Dev_set`, `seg_train`.

    Those that hold pictures but no folders are put into `unlabelled`: a class, too, may be called "train".
    """
    named = [(folder, *words) for folder in root.folders if (words := said(folder.name)) is not None]
    for rest in ["", *sorted({rest for _, _, rest in named} - {""})]:
        alike = [(folder, word) for folder, word, of in named if of == rest]
        found: dict[Split, Folder] = {}
        flat: dict[Split, Folder] = {}
        for folder, word in alike:
            split = meant(word, [other for _, other in alike])
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


def _undoubled(split: Folder) -> Folder:
    """`train/train` is `train`."""
    inner = split.folders[0] if len(split.folders) == 1 else None
    doubled = inner is not None and not split.files and inner.folders and said(inner.name) == said(split.name)
    return inner if inner is not None and doubled else split


def _take(layout: Layout, split: Split, folder: Folder, inner: bool) -> None:
    for name, path, files in _innermost(folder) if inner else [(folder.name, folder.path, folder.below())]:
        members = [Member(file, file[len(path) + 1 :]) for file in files]
        layout.files.setdefault((split, name), []).extend(members)


def _innermost(folder: Folder) -> Iterator[tuple[str, str, list[str]]]:
    """Name, path and files of each folder that holds files; one called `images` or `masks` belongs to that above it."""
    of_it = [
        inner for inner in folder.folders if PICTURES_WORD.fullmatch(inner.name) or MASK_FOLDER.fullmatch(inner.name)
    ]
    files = [*folder.files, *(path for inner in of_it for path in inner.below())]
    if files:
        yield folder.name, folder.path, files
    for other in folder.folders:
        if other not in of_it:
            yield from _innermost(other)


def _one_spelling(layout: Layout) -> None:
    """Folders whose names look the same are one class, and so are those that differ between splits in case alone."""
    first = min((split for split, _ in layout.files), key=SPLITS.index, default="train")
    trained = {_class_name(name) for split, name in layout.files if split == first}
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
            f"Every class has the subfolders {inner}: if these are the classes, and not {outer}, say so: "
            "--set image-folder.class_folders=inner."
        )
    return notes
