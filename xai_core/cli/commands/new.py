"""`xai new`: look through a folder or a table of pictures once and make a study of it."""

from __future__ import annotations

import argparse
from typing import Any

from xai_core.cli.command import Command, long_work, path, seed, study_argument
from xai_core.errors import BadParameter
from xai_core.params import assignments, specs
from xai_core.text import counted

SHOWN = 5


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser, made=False)
    parser.add_argument(
        "--data", required=True, type=path, metavar="PATH", help="the folder with the data, or the table"
    )
    parser.add_argument("--classes", metavar="A,B,…", help="only these classes, in this order")
    parser.add_argument("--classes-file", type=path, metavar="FILE", help="a list of the classes with names for people")
    data_arguments(parser)


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how the data are read, but for the classes."""
    words = "xai list datasets; by default the one that fits the data"
    parser.add_argument("--dataset", metavar="KEY", help=words)
    parser.add_argument("--root", type=path, metavar="FOLDER", help="where a table's paths begin; default: its folder")
    parser.add_argument("--test-only", action="store_true", help="nothing is trained here: all pictures are the test")
    parser.add_argument("--masks", type=path, metavar="FOLDER", help="object masks with the same names as the pictures")
    parser.add_argument("--seed", type=seed, default=0, help="of the splits that have to be made (default 0)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY.NAME=VALUE", help="a dataset's parameter")


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.datasets import DATASETS, dataset_of
    from xai_core.pipeline.make import make_study
    from xai_core.store.files import check_new

    check_new(args.study, "study")
    key = args.dataset or dataset_of(args.data)
    values = _values(args, key, DATASETS[key].params)
    with long_work("reading") as (progress, cancel):
        study = make_study(
            args.study, args.data, dataset=key, values=values, seed=args.seed, progress=progress, cancel=cancel
        )
    return summary(study)


def _values(args: argparse.Namespace, key: str, params_type: type) -> dict[str, Any]:
    given = assignments(args.set)
    values: dict[str, Any] = dict(given.pop(key, {}))
    if given:
        raise BadParameter("not the dataset's parameter", value=next(iter(given)), remedy=f"Write {key}.NAME=…")
    known = {spec.name for spec in specs(params_type)}
    flags = {
        "classes": args.classes,
        "classes_file": str(args.classes_file.resolve()) if args.classes_file else None,
        "test_only": args.test_only or None,
        "masks": str(args.masks.resolve()) if args.masks else None,
        "root": str(args.root.resolve()) if args.root else None,
    }
    for name, value in flags.items():
        if value is None:
            continue
        flag = f"--{name.replace('_', '-')}"
        if name not in known:
            raise BadParameter(f"{flag} is not for this dataset", value=key, remedy=f"Leave {flag} out.")
        values[name] = value
    return values


def summary(study: Any) -> dict[str, Any]:
    """What a person wants to know of a new study, JSON-able."""
    counts = study.samples.groupby(["split", "label"]).size()
    duplicates, near = study.duplicates(), study.near_twins()
    return {
        "study": str(study.path),
        "dataset": study.info.dataset,
        "classes": list(study.class_names),
        "samples": {
            split: {name: int(counts.get((split, i), 0)) for i, name in enumerate(study.class_names)}
            for split in ("train", "validation", "test")
        },
        "masks": int(study.samples["has_mask"].sum()),
        "unreadable": [{"path": path, "reason": reason} for path, reason in study.info.unreadable],
        "duplicate_groups_across_splits": len(duplicates),
        "near_pairs_across_splits": None if near is None else len(near),
        "notes": list(study.info.notes),
    }


def _show(result: dict[str, Any]) -> str:
    lines = [f"{result['study']}: {len(result['classes'])} classes, read as {result['dataset']}"]
    lines += [f"  {split:<11} {sum(counts.values()):>6} samples" for split, counts in result["samples"].items()]
    if result["masks"]:
        lines.append(f"  {result['masks']} of them with a mask")
    if result["unreadable"]:
        lines.append(f"  {len(result['unreadable'])} files could not be read and are left out:")
        lines += [f"    {bad['path']}: {bad['reason']}" for bad in result["unreadable"][:SHOWN]]
    if result["duplicate_groups_across_splits"]:
        lines.append(f"  {result['duplicate_groups_across_splits']} groups of identical pictures span several splits")
    if result["near_pairs_across_splits"]:
        pairs = counted(result["near_pairs_across_splits"], "pair")
        lines.append(f"  {pairs} of nearly the same picture in two splits: look at them on Overview")
    return "\n".join(lines + [f"  {note}" for note in result["notes"]])


COMMAND = Command("new", "make a study from a folder or a table of pictures", _configure, _run, _show)
