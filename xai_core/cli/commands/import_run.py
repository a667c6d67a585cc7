"""`xai import`: a model or predictions that this project did not make."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, get_args

from xai_core.cli.command import (
    Command,
    at_least_none,
    colour,
    long_work,
    next_command,
    numbers,
    open_study,
    path,
    pixels,
    run_argument,
    share,
    sides,
    study_argument,
)
from xai_core.datasets.class_list import all_entries
from xai_core.errors import BadParameter
from xai_core.models.preprocess import Fit
from xai_core.models.resample import Interpolation
from xai_core.text import comma_list

if TYPE_CHECKING:
    from xai_core.pipeline.class_match import ClassName
    from xai_core.pipeline.imports import Model
    from xai_core.store.run import Run
    from xai_core.store.study import Study


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    parser.add_argument(
        "--classes", metavar="A,B", help="names of its outputs in their order; the study's classes are picked by name"
    )
    parser.add_argument(
        "--classes-file", type=path, metavar="FILE", help="the same as a list, of names or of ids and names, as of new"
    )
    model_arguments(parser)


def model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what must be known of a model or of predictions, but for the classes."""
    parser.add_argument(
        "--predictions",
        type=path,
        metavar="FILE.csv",
        help="id and one probability column per class, or the predicted class",
    )
    parser.add_argument("--id-column", metavar="NAME", help="of the table: what names the samples, by default id")
    parser.add_argument(
        "--label-column", metavar="NAME", help="of the table: the predicted class, where there are no probabilities"
    )
    parser.add_argument("--logits", action="store_true", help="the table holds logits; their softmax is taken")
    parser.add_argument(
        "--arch",
        metavar="KEY|LIBRARY:NAME|hf:FOLDER|MODULE:FUNCTION",
        help="an architecture, torchvision:NAME, timm:NAME, a folder of transformers, or your own function",
    )
    parser.add_argument("--weights", type=path, metavar="FILE", help="safetensors, or a state dict saved by torch")
    parser.add_argument("--cam-layer", metavar="LAYER", help="dotted name of the layer for class activation maps")
    parser.add_argument("--size", type=sides, metavar="PIXELS|HEIGHTxWIDTH", help="input size it was trained with")
    parser.add_argument(
        "--resize",
        type=pixels,
        metavar="PIXELS",
        help="the shorter side before the centre of --size is cut out, as in Resize(256) and CenterCrop(224); "
        "without it, pictures are squashed to --size",
    )
    parser.add_argument(
        "--crop-share", type=share, metavar="SHARE", help="instead of --resize, as timm's crop_pct: 0.875 of 256 is 224"
    )
    parser.add_argument(
        "--fit",
        choices=get_args(Fit),
        help="squash both sides, crop the centre (with --resize or --crop-share the default), or pad what is missing",
    )
    parser.add_argument(
        "--interpolation",
        choices=(*get_args(Interpolation), "area"),
        help="filter that pictures are resized with (default: bilinear)",
    )
    parser.add_argument(
        "--no-antialias",
        dest="antialias",
        action="store_false",
        default=None,
        help="resized without averaging, as on tensors in torch and in OpenCV",
    )
    parser.add_argument("--fill", type=colour, metavar="A,B,C", help="0…255, around pictures that are padded")
    parser.add_argument("--mean", type=numbers, metavar="A,B,C", help="per channel, on the 0…1 scale")
    parser.add_argument("--std", type=numbers, metavar="A,B,C", help="per channel, on the 0…1 scale")
    parser.add_argument(
        "--try-on",
        type=at_least_none,
        metavar="N",
        default=200,
        help="labelled pictures, at most, that other usual preprocessings are tried on, to say whether one fits better "
        "(default: 200; 0: none)",
    )


def _run(args: argparse.Namespace) -> dict[str, Any]:
    study = open_study(args)
    if args.predictions:
        from xai_core.pipeline.import_predictions import import_predictions

        run = import_predictions(study, args.run_name, args.predictions, **_columns(args))
        predictions = run.predictions
        assert predictions is not None
        notes = run.info.provenance["notes"]
        return {"study": study.name, "run": run.name, "predictions": len(predictions.rows), "notes": notes}
    from xai_core.pipeline.imports import import_model

    model = _model(args, study)
    with long_work("trying other preprocessing") as (progress, cancel):
        run = import_model(study, args.run_name, model, try_on=args.try_on, progress=progress, cancel=cancel)
    return {
        "study": study.name,
        "run": run.name,
        "architecture": run.info.architecture,
        "cam_layer": run.info.cam_layer,
        "next": next_command("predict", args),
        "notes": run.info.provenance["notes"],
    }


def _columns(args: argparse.Namespace) -> dict[str, Any]:
    """What is said of a table of predictions."""
    return {"id_column": args.id_column, "label_column": args.label_column, "logits": args.logits}


def _model(args: argparse.Namespace, study: Study) -> Model:
    if not args.arch:
        remedy = "Give --arch and --weights, or --predictions FILE.csv."
        raise BadParameter("what is to be imported?", remedy=remedy)
    from xai_core.pipeline.imports import Model

    return Model(
        args.arch,
        args.weights,
        _classes(args, study),
        args.cam_layer,
        args.size,
        args.mean,
        args.std,
        args.resize,
        args.fit,
        args.crop_share,
        "box" if args.interpolation == "area" else args.interpolation,
        args.antialias,
        args.fill,
    )


def check_same_import(args: argparse.Namespace, study: Study, run: Run) -> None:
    """Raise BadInput where the run was imported with other words, or from another file, than the command line says."""
    from xai_core.pipeline.library import weights_of
    from xai_core.pipeline.said import as_said, check_same

    if args.predictions:
        check_same(run, as_said(args.predictions, _columns(args)))
    else:
        model = _model(args, study)
        check_same(run, as_said(weights_of(model), vars(model)))


def _classes(args: argparse.Namespace, study: Study) -> tuple[ClassName, ...] | None:
    if args.classes and args.classes_file:
        raise BadParameter("--classes and --classes-file say the same", remedy="Give one of them.")
    if args.classes_file:
        return all_entries(args.classes_file, (*study.class_names, *study.class_ids))
    return tuple(comma_list(args.classes)) if args.classes else None


def _show(result: dict[str, Any]) -> str:
    if "predictions" in result:
        told = [f"{result['run']}: {result['predictions']} predictions", *(f"  {note}" for note in result["notes"])]
        return "\n".join(told)
    layer = result["cam_layer"] or "none: pixel methods only"
    lines = [f"{result['run']}: {result['architecture']}, layer for class activation maps: {layer}"]
    lines += [f"  {note}" for note in result["notes"]]
    return "\n".join([*lines, f"Next: {result['next']}"])


COMMAND = Command("import", "add a model or predictions from elsewhere as a run", _configure, _run, _show)
