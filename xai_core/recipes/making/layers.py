"""A layer by its place in the network, for papers that count layers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xai_core.errors import NotApplicable
from xai_core.store.run import Run
from xai_core.store.study import Study


def convolution(run: Run, number: int) -> tuple[str, str]:
    """The number-th convolution of a run's model (its last, where there are fewer), and where a map of it can be made.

    The second name is the convolution's own, or that of the smallest module around it that nothing bypasses: what a
    shortcut or a branch carries around a layer would be missing in its map. "" where there is no such module.
    """
    return _convolution(run.study.path, run.name, run.info.fingerprint, number)


@cache
def _convolution(study: Path, name: str, fingerprint: str, number: int) -> tuple[str, str]:  # noqa: ARG001
    from torch import nn

    from xai_core.explainers.engine.layer_path import decides_alone
    from xai_core.models.wrappers import asked
    from xai_core.pipeline.load import load_classifier

    classifier = load_classifier(Study.open(study).run(name), device="cpu")
    found = [layer for layer, part in asked(classifier.module).named_modules() if isinstance(part, nn.Conv2d)]
    if not found:
        return "", ""
    chosen = found[min(number, len(found)) - 1]
    parts = chosen.split(".")
    for depth in range(len(parts), 0, -1):
        try:
            if decides_alone(classifier, layer := ".".join(parts[:depth])):
                return chosen, layer
        except NotApplicable:
            continue
    return chosen, ""
