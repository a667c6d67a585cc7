"""Pictures and masks from files that may be anything: huge, rotated, 16-bit, transparent, damaged, not pictures.

Whatever is wrong with a file ends as `BadInput`. What comes out is upright, `RGB` or `L`, without metadata, and never
larger than `largest_side`: models look at a few hundred pixels, and the dashboard shows a few hundred more.
"""

from xai_core.pictures.greys import WHITES, GreyRange, fixed_range, full_range, own_range
from xai_core.pictures.masks import Belongs, few_levels, read_mask, read_numbers, same_shape
from xai_core.pictures.opening import FORMATS, MAX_MEGAPIXELS, SUFFIXES, open_picture, shown
from xai_core.pictures.reading import (
    LARGEST_SIDE,
    PictureInfo,
    decode_picture,
    holds_picture,
    inspect_picture,
    picture_info,
    picture_size,
    read_picture,
)

__all__ = [
    "FORMATS",
    "LARGEST_SIDE",
    "MAX_MEGAPIXELS",
    "SUFFIXES",
    "WHITES",
    "Belongs",
    "GreyRange",
    "PictureInfo",
    "decode_picture",
    "few_levels",
    "fixed_range",
    "full_range",
    "holds_picture",
    "inspect_picture",
    "open_picture",
    "own_range",
    "picture_info",
    "picture_size",
    "read_mask",
    "read_numbers",
    "read_picture",
    "same_shape",
    "shown",
]
