"""A run's model as a file for other programs: made and checked in memory, and only then written."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_core import __version__
from xai_core.errors import BadParameter, XaiError
from xai_core.exports import EXPORTS, Format
from xai_core.exports.base import INPUT
from xai_core.exports.engine.asked import Asked
from xai_core.exports.engine.closed_form import Explained, explained
from xai_core.files import write_atomic
from xai_core.models.classifier import Classifier
from xai_core.models.tiles import one_tile
from xai_core.models.user_code import user_code
from xai_core.pipeline.export_check import check, check_maps, latencies, takes_several
from xai_core.pipeline.load import as_input, load_classifier, read
from xai_core.pipeline.predict import some_of
from xai_core.pipeline.predict_work import nothing
from xai_core.store.files import check_new_file, write_json
from xai_core.store.run import Run
from xai_core.task import CLASSIFICATION, SEGMENTATION, TaskKey
from xai_core.types import SPLITS, CancelToken, Progress, silent

if TYPE_CHECKING:
    from torch import Tensor

SAMPLES = 16
"""Pictures that a file is checked on, unless somebody says otherwise."""

ORDER = tuple(reversed(SPLITS))
"""Of the splits that they are taken from: those that the model has not learned from first."""

STAGES = 3

_LOGITS: dict[TaskKey, str] = {
    CLASSIFICATION: "softmax over the classes gives probabilities; the largest is what is said",
    SEGMENTATION: "of each pixel of the input; the largest is what is said there",
}
_MAPS: dict[TaskKey, str] = {
    CLASSIFICATION: "[picture, class]: what each place of the layer adds to the logit of the class, signed (HiResCAM). "
    "Resize to the input, bilinearly, and show that of the class that is said",
    SEGMENTATION: "[picture, class]: what each place of the layer adds to the sum of the logits of the class over the "
    "pixels where it is said, signed (HiResCAM of that region). Resize to the input, bilinearly",
}


@dataclass(frozen=True)
class Exported:
    """What came of it: the two files, what the second one says, and pictures that could not be read, by their id."""

    file: Path
    about_file: Path
    about: dict[str, Any]
    left_out: dict[str, str]


def about_path(file: Path) -> Path:
    """The file beside an exported one that says what it is."""
    return file.with_name(f"{file.name}.json")


def check_request(format_key: str, file: Path) -> Format:
    """What can be said before a model is loaded.

    Raises:
        NotFound: no such format.
        XaiError: its packages are not installed.
        BadParameter, BadInput: something is there already, or nothing can be written there.
    """
    found = EXPORTS[format_key]
    found.check_installed()
    if not file.name:
        raise BadParameter("not a file that can be written", value=file, remedy="Choose another file.")
    for each in (file, about_path(file)):
        check_new_file(each, "file")
    return found


def export(
    run: Run,
    format_key: str,
    file: Path,
    *,
    explanation: bool = False,
    samples: int = SAMPLES,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Exported:
    """Write the run's model to `file` in a format, and beside it what a program that uses it needs to know.

    All is computed on the CPU. Nothing is written before the file has answered as PyTorch does.

    Raises:
        As `check_request` and `load_classifier`.
        NotApplicable: with an `explanation`, for a model whose maps have no closed form.
        BadInput: no picture can be read, the model cannot be written in this format, or the file answers otherwise.
        StorageFull: no room; neither file is left.
    """
    found, token = check_request(format_key, file), cancel or CancelToken()
    classifier, left_out = load_classifier(run, device="cpu"), dict[str, str]()
    wanted = some_of(run.study, ORDER, samples)
    pictures = read(run.study, classifier.preprocess, wanted.tolist(), left_out)
    if not pictures:
        raise nothing(left_out)
    x = as_input(classifier, [one_tile(pixels, classifier.preprocess) for pixels in pictures.values()])
    progress(0, STAGES, "steps")
    asking = explained(classifier) if explanation else Explained(Asked(classifier), "")
    names = ["logits", "cam"] if explanation else ["logits"]
    data = _made(found, classifier, asking, names, x)
    token.check()
    progress(1, STAGES, "steps")
    with user_code(f"this {found.card.title} file", "cannot be asked", "Try another format: xai list exports."):
        ask = found.open(data)
        checked = check(classifier, ask, x, cancel=token)
        if explanation:
            checked = replace(checked, maps=check_maps(classifier, ask, x, asking.layer, cancel=token))
        several = found.batches and takes_several(ask, x)
        progress(2, STAGES, "steps")
        took = latencies(asking.module, ask, x, cancel=token)
    about = _about(run, classifier, found, asking.layer, several) | {
        "file": file.name,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "checked": checked.as_json(),
        "latency": took.as_json(),
    }
    token.check()
    _write(file, data, about)
    progress(STAGES, STAGES, "steps")
    return Exported(file, about_path(file), about, left_out)


def _made(found: Format, classifier: Classifier, asking: Explained, names: Sequence[str], x: Tensor) -> bytes:
    """The file's bytes: for any number of pictures where that can be, else for one."""
    problem = f"cannot be written as {found.card.title}"
    remedy = "Try another format (xai list exports), or change the model's code."
    if found.batches:
        with suppress(XaiError), user_code(classifier.architecture, problem, remedy):
            return found.make(asking.module, x, names, True)
    with user_code(classifier.architecture, problem, remedy):
        return found.make(asking.module, x, names, False)


def _about(run: Run, classifier: Classifier, found: Format, layer: str, several: bool) -> dict[str, Any]:
    """What a program must know to use the file."""
    preprocess = classifier.preprocess
    batch, grid = "N" if several else 1, ["h", "w"]
    outputs = [{"name": "logits", "shape": [batch, *classifier.output_shape], "meaning": _LOGITS[classifier.task]}]
    if layer:
        shape = [batch, len(classifier.class_names), *grid]
        outputs.append({"name": "cam", "shape": shape, "layer": layer, "meaning": _MAPS[classifier.task]})
    return {
        "format": found.card.key,
        "study": run.study.name,
        "run": run.name,
        "task": classifier.task,
        "architecture": classifier.architecture,
        "fingerprint": classifier.fingerprint,
        "classes": list(classifier.class_names),
        "input": {
            "name": INPUT,
            "shape": [batch, *classifier.input_shape],
            "dtype": "float32",
            "channels": "RGB" if preprocess.channels == 3 else "grey",
            "values": "(pixel / 255 - mean) / std, for each channel",
        },
        "preprocess": {field.name: getattr(preprocess, field.name) for field in fields(preprocess)}
        | {"in_words": preprocess.described()},
        "outputs": outputs,
        "versions": {"second-look": __version__, **found.versions()},
    }


def _write(file: Path, data: bytes, about: dict[str, Any]) -> None:
    """Both files or none; the one that explains the other comes first."""
    for each in (file, about_path(file)):
        check_new_file(each, "file")
    write_json(about_path(file), about)
    try:
        write_atomic(file, data)
    except BaseException:
        with suppress(OSError):
            about_path(file).unlink()
        raise
