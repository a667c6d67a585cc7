"""The two colour scales of heatmaps, the same everywhere: one for strength, one for sign.

Both are drawn in Oklab (Ottosson 2020), where equal steps look equally large: lightness runs straight, so that the
scales also read in grey and for colour-blind eyes (blue and orange differ for all common kinds).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from xai_core.types import Array

Bytes = NDArray[np.uint8]

_OKLAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def _srgb(lightness: NDArray[np.floating], chroma: NDArray[np.floating], hue: NDArray[np.floating]) -> Bytes:
    """Oklch (hue in degrees) → sRGB bytes `(n, 3)`, clipped to what a screen shows."""
    angle = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1)
    linear = np.clip(((lab @ _OKLAB_TO_LMS.T) ** 3) @ _LMS_TO_RGB.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)


@cache
def strength_scale() -> Bytes:
    """256 colours, `(256, 3)`: from deep violet (none) through red to light yellow (most)."""
    t = np.linspace(0, 1, 256, dtype=np.float32)
    return _srgb(0.22 + 0.72 * t, 0.09 + 0.33 * t * (1 - t), 305 + 155 * t)


@cache
def sign_scale() -> Bytes:
    """256 colours, `(256, 3)`: blue (against) through white (no evidence) to orange red (for)."""
    t = np.linspace(-1, 1, 256, dtype=np.float32)
    strength = np.abs(t)
    hue = np.where(t < 0, 255, 45).astype(np.float32)
    return _srgb(0.98 - 0.45 * strength, 0.165 * strength**0.85, hue)


def css_gradient(scale: Bytes, steps: int = 12) -> str:
    """The scale as a CSS gradient from left to right, for legends."""
    picked = scale[np.linspace(0, 255, steps).round().astype(int)]
    return f"linear-gradient(90deg, {', '.join(_hex(colour) for colour in picked)})"


def plotly_scale(scale: Bytes, steps: int = 17) -> list[tuple[float, str]]:
    """The scale as plotly wants it."""
    places = np.linspace(0, 1, steps)
    return [(float(p), _hex(scale[round(p * 255)])) for p in places]


def _hex(colour: Bytes) -> str:
    return f"#{colour.tobytes().hex()}"


def heat_layer(heat: Array, *, signed: bool, scale: float) -> Bytes:
    """A map as a layer to lay over a picture.

    Args:
        heat: `(h, w)`, raw; NaN where there is nothing to show.
        signed: on the diverging scale, opaque where strong either way; else rectified, opaque where strong.
        scale: the value drawn as full strength; must be positive.

    Returns:
        `(h, w, 4)` RGBA bytes.
    """
    value = np.nan_to_num(heat / scale)
    value = np.clip(value, -1 if signed else 0, 1)
    index = np.round((value + 1) * 127.5) if signed else np.round(value * 255)
    colours = (sign_scale() if signed else strength_scale())[index.astype(np.uint8)]
    alpha = np.round(255 * np.abs(value) ** (0.6 if signed else 0.8)).astype(np.uint8)
    return np.concatenate([colours, alpha[..., None]], axis=-1)
