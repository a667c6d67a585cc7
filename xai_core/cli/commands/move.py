"""`xai move`: a study's pictures lie elsewhere now."""

from __future__ import annotations

import argparse
from typing import Any

from xai_core.cli.command import Command, path, study_argument
from xai_core.errors import BadParameter


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser, made=False)
    parser.add_argument("--data", required=True, type=path, metavar="FOLDER", help="the folder with the pictures now")
    parser.add_argument("--masks", type=path, metavar="FOLDER", help="the folder with their masks now")


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.store.data_folder import move
    from xai_core.store.study import Study

    study = Study.open(args.study)
    if args.masks is not None and "masks" not in study.info.dataset_params:
        remedy = "Leave --masks out."
        raise BadParameter("--masks is not for this dataset", value=study.info.dataset, remedy=remedy)
    move(study, args.data, args.masks)
    return {"study": str(study.path), "data": str(Study.open(args.study).data)}


def _show(result: dict[str, Any]) -> str:
    return f"{result['study']}: its pictures are read from {result['data']}"


COMMAND = Command("move", "the pictures of a study lie elsewhere now", _configure, _run, _show)
