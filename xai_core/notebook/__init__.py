"""Second Look from a script or a notebook: `import xai_core as xai`, then a study, a model, and the dashboard.

    study = xai.study("pictures", "studies/mine")
    run = study.add_model(net, "mine", size=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    maps = run.explain(run.mistakes[:8], ["gradcam", "ig"])
    study.show()

What is made here is an ordinary study folder: the command and the dashboard go on with it, and this with theirs.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadInput
from xai_core.notebook.runs import Maps, Run
from xai_core.notebook.source import source_of
from xai_core.notebook.studies import Study

if TYPE_CHECKING:
    from xai_core.datasets.base import Scan

__all__ = ["Maps", "Run", "Study", "open_study", "study"]

LOG = logging.getLogger("xai")


def study(
    data: Any,
    folder: str | Path,
    *,
    dataset: str = "",
    seed: int = 0,
    **params: Any,
) -> Study:
    """A study of these pictures: made where there is none in `folder`, else opened.

    Args:
        data: a folder of class folders, a table of paths and labels, or whatever the dataset reads. Or a data frame
            as such a table, with paths from the working folder; it is written beside the study, in a file that ends
            in `-table.csv`. Or a torch `Dataset` of `(picture, label)`, without its transform, or several by the name
            of their split: their pictures are written beside the study, in a folder that ends in `-pictures`.
        folder: where the study is kept.
        dataset: key of the dataset (`xai list datasets`); "" for the one that fits: see `datasets.dataset_of`.
        seed: of splits that have to be made, and of everything random later.
        params: the dataset's parameters, such as `classes="cat,dog"` or `masks="masks"`; of a torch `Dataset` the
            names of its classes, where it does not tell them: `classes=("cat", "dog")`.

    Raises:
        NotFound, BadParameter: no such dataset, parameter or place.
        BadInput: nothing usable in `data`; or the study in `folder` is of other data.
    """
    from xai_core.datasets import DATASETS, dataset_of
    from xai_core.params import as_dict, build
    from xai_core.store.study import Study as Stored
    from xai_core.store.study_info import STUDY_FILE

    place, values = Path(folder), dict(params)
    source = source_of(data, place, values)
    if (place / STUDY_FILE).is_file():
        return _opened_again(place, dataset, source)
    key = dataset or dataset_of(source)
    member = DATASETS[key]
    built: Any = build(member.params, values)
    scan: Scan = member.make(source, built).scan(seed)
    made = Stored.create(place, dataset=key, params=as_dict(built), data=source, seed=seed, scan=scan)
    for note in made.info.notes:
        LOG.info("%s", note)
    return Study(made)


def open_study(folder: str | Path) -> Study:
    """The study in a folder. Raises NotFound where there is none."""
    from xai_core.store.study import Study as Stored

    return Study(Stored.open(Path(folder)))


def _opened_again(place: Path, dataset: str, data: Path) -> Study:
    from xai_core.store.data_folder import is_of

    found = open_study(place)
    if not is_of(found.stored, data) or dataset not in ("", found.stored.info.dataset):
        remedy = "Choose another folder, or open it with xai.open_study."
        raise BadInput("another study is here", value=f"{place}, of {found.stored.data}", remedy=remedy)
    return found
