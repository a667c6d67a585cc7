"""`xai open`: pictures, labels and a model from elsewhere to the dashboard in one command."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from xai_core.cli.command import Command, all_printable, count, device_argument, path, port, study_argument
from xai_core.cli.commands import import_run, new, predict, serve
from xai_core.errors import BadInput, BadParameter
from xai_core.settings import load as load_settings

if TYPE_CHECKING:
    from xai_core.store.run import Run
    from xai_core.store.study import Study


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser, made=False)
    words = "the folder with the pictures, or a table of them; not needed where the study is there already"
    parser.add_argument("--data", type=path, metavar="PATH", help=words)
    words = "names of the classes, in the order of the model's outputs"
    parser.add_argument("--classes", metavar="A,B,…", help=words)
    words = "the same as a list, with names for people; it may name more classes than the pictures are of"
    parser.add_argument("--classes-file", type=path, metavar="FILE", help=words)
    new.data_arguments(parser)
    parser.add_argument("--run", dest="run_name", default="model", metavar="NAME", help="of the run (default: model)")
    import_run.model_arguments(parser)
    parser.add_argument("--limit", type=count, metavar="N", help="predict only N samples, drawn by the study's seed")
    parser.add_argument("--no-serve", action="store_true", help="make everything ready, and open no dashboard")
    parser.add_argument("--port", type=port, help="of the dashboard, default 8501")
    parser.add_argument("--address", help="of the dashboard, default 127.0.0.1: this machine only")
    device_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    """As `new`, `import`, `predict` and `serve` one after the other; what is there already is not made again."""
    settings = load_settings({"port": args.port, "address": args.address, "device": args.device})
    if not args.no_serve:  # said before the long work; `serve` checks again
        serve.check_port(settings.address, settings.port)
    study = _study(args)
    result: dict[str, Any] = {"study": str(study.path), "runs": study.runs()}
    if args.arch or args.predictions:
        run = _imported(args, study)
        result |= {"runs": study.runs(), "run": run.name}
        if run.info.fingerprint:
            asked = argparse.Namespace(
                **vars(args) | {"splits": list(predict.ORDER), "background": False, **predict.SAMPLES}
            )
            result["predictions"] = _step(predict.COMMAND, asked)["splits"]
    return result if args.no_serve else result | serve.serve([study.path], settings)


def _study(args: argparse.Namespace) -> Study:
    """The study of these pictures. Raises BadInput where another one is there, BadParameter where nothing is."""
    from xai_core.store.data_folder import is_of
    from xai_core.store.study import Study
    from xai_core.store.study_info import STUDY_FILE

    if (args.study / STUDY_FILE).is_file():
        study = Study.open(args.study)
        if args.data is not None and not is_of(study, args.data):
            remedy = "Choose another folder; if the pictures moved: xai move STUDY --data FOLDER."
            raise BadInput("another study is here", value=f"{args.study}, of {study.data}", remedy=remedy)
        return study
    if args.data is None:
        raise BadParameter("no study is here, and no pictures", value=args.study, remedy="Give --data PATH.")
    _step(new.COMMAND, args)
    return Study.open(args.study)


def _imported(args: argparse.Namespace, study: Study) -> Run:
    """The run of this model or these predictions. Raises BadInput where the run of this name is of something else."""
    if args.run_name not in study.runs():
        _step(import_run.COMMAND, args)
        return study.run(args.run_name)
    run = study.run(args.run_name)
    import_run.check_same_import(args, study, run)
    return run


def _step(command: Command, args: argparse.Namespace) -> dict[str, Any]:
    """Do what another command does, and tell what it tells, before the dashboard takes the terminal."""
    result = command.run(args)
    print(command.show(all_printable(result)))
    return result


def _show(result: dict[str, Any]) -> str:
    if "exit" in result:
        return f"The dashboard ended with exit status {result['exit']}."
    return f"{result['study']}: ready with {', '.join(result['runs']) or 'no run'}"


COMMAND = Command("open", "pictures, labels and a model to the dashboard, in one command", _configure, _run, _show)
