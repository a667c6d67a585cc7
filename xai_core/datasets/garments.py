"""Pictures of garments, drawn by the project itself: data for the bundled demo study, free of anyone's rights."""

from __future__ import annotations

from xai_core.datasets.base import dataset
from xai_core.datasets.drawn_garments import DrawnGarments
from xai_core.demo.drawing import VERSION, GarmentParams
from xai_core.types import Card

CARD = Card(
    key="garments",
    title="Drawn garments",
    summary="Dresses, graphic tees, pants, shorts and skirts on drawn people, with exact masks; drawn where missing. "
    "A stated share of dresses and skirts is framed tightly on the lower body.",
    blind_spot="Illustrations, not photographs: nothing measured on them says how a model does on real clothes.",
    version=VERSION,
)


@dataset(CARD, GarmentParams)
class Garments(DrawnGarments):
    """The drawn garments in a folder, a file each or in two archives. `scan` draws them where there is none.

    **Stated property.** A share of dresses (`tight_dresses`) is framed tightly on the lower body: the waist lies
    6 to 18 % of the picture's height below its top edge, and the strip above it shows the bodice, in the same cloth
    as the rest. More skirts (`tight_skirts`) are framed in the same way; there the strip shows a plain top of another
    colour. Cuts, cloth, poses, places, the strip's height, belts and waistbands, and open jackets, which hide the
    sides of the strip, are drawn from the same distributions for both; only the waist of a dress lies a little higher
    on the body. So the strip is what tells the class, and a model that looks at hems and legs does best to say
    "skirt". No label is ever changed.
    """
