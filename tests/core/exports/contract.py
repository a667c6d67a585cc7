"""What every format holds: its files answer as the model, and explain themselves as HiResCAM does.

`python -m tests.core.exports.contract KEY` tries it in an environment of its own, where there is no pytest.
"""

from __future__ import annotations

import math
import sys

from tests.core.exports.cases import GO_ON, made_model, noise
from xai_core.exports import EXPORTS
from xai_core.exports.engine.asked import Asked
from xai_core.exports.engine.closed_form import Explained, explained
from xai_core.pipeline.export_check import check, check_maps, takes_several

CASES = [(architecture, explanation) for architecture in ("small_cnn", "small_unet") for explanation in (True, False)]
"""A classifier and a segmenter, with the reason and without."""


def holds(key: str, architecture: str, explanation: bool) -> None:
    """For one picture and, where the format says so, for several."""
    member, model = EXPORTS[key], made_model(architecture)
    x = noise(model)
    asking = explained(model) if explanation else Explained(Asked(model), "")
    names = ["logits", "cam"] if explanation else ["logits"]
    ask = member.open(member.make(asking.module.eval(), x, names, member.batches))
    assert len(ask(x[:1].numpy())) == len(names)
    found = check(model, ask, x, cancel=GO_ON)
    assert (found.pictures, found.equal) == (3, found.said)
    assert found.said == 3 * math.prod(model.output_shape[1:])
    if explanation:
        assert check_maps(model, ask, x, asking.layer, cancel=GO_ON).maps >= 3
    assert takes_several(ask, x) == member.batches
    assert member.versions()["torch"]
    assert member.suffix.startswith(".")


if __name__ == "__main__":
    for case in CASES:
        holds(sys.argv[1], *case)
        print("holds", *case)
