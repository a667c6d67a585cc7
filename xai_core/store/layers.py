"""Names of a run's layers, read from its weights without loading the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.files import damaged

if TYPE_CHECKING:
    from xai_core.store.run import Run


def convolutional_layers(run: Run) -> list[str]:
    """Dotted names of the modules that are, or hold, a convolution, in order of depth within each level.

    A module without weights of its own (an activation, a pooling) is not among them, though maps may be made at it.
    Empty for a run without weights. Raises BadInput where the file is damaged.
    """
    if not run.weights.is_file():
        return []
    from safetensors import SafetensorError, safe_open

    found: dict[str, None] = {}
    try:
        with safe_open(run.weights, framework="np") as weights:
            for name in weights.keys():  # noqa: SIM118 (not a mapping)
                if len(weights.get_slice(name).get_shape()) == 4:
                    parts = name.split(".")[:-1]
                    found |= {".".join(parts[:depth]): None for depth in range(1, len(parts) + 1)}
    except (SafetensorError, OSError) as error:
        raise damaged(run.weights, error) from None
    return sorted(found, key=_natural)


def named_layers(run: Run) -> dict[str, str]:
    """What layers of use hold, in plain words, by dotted name, as the run's architecture says; {} where none does."""
    from xai_core.models.architectures import ARCHITECTURES

    key = run.info.architecture
    return dict(ARCHITECTURES[key].named_layers) if key in ARCHITECTURES else {}


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Numbers by value: `features.2` before `features.10`."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in name.split(".")]
