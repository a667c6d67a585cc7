"""What tools of annotation make of a file of COCO that they read and write anew, by their own code.

    python annotation_tools.py datumaro-polygons|datumaro-masks|label-studio IN.json OUT.json

CVAT reads and writes COCO by Datumaro, Label Studio by its converter. They need other versions of what this project
needs, and so an environment of their own: `make annotation-tools`.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import tempfile
from pathlib import Path


def through_datumaro(source: Path, into: Path, mode: str) -> None:
    """`mode`: polygons or mask."""
    dataset = importlib.import_module("datumaro.components.dataset").Dataset
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "in"
        (folder / "annotations").mkdir(parents=True)
        (folder / "images").mkdir()
        shutil.copy(source, folder / "annotations" / "instances_default.json")
        out = Path(name) / "out"
        read = dataset.import_from(str(folder), "coco_instances")
        read.export(str(out), "coco_instances", save_media=False, segmentation_mode=mode)
        shutil.copy(out / "annotations" / "instances_default.json", into)


def through_label_studio(source: Path, into: Path) -> None:
    """Tasks as for a project, with the ids and dates that a server gives them, and COCO of these."""
    converter = importlib.import_module("label_studio_converter")
    coco = importlib.import_module("label_studio_converter.imports.coco")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tasks").mkdir()
        tasks = folder / "tasks" / "tasks.json"
        coco.convert_coco_to_ls(str(source), str(tasks), out_type="annotations")
        content = json.loads(tasks.read_text())
        for number, task in enumerate(content, 1):
            task |= {"id": number, "created_at": "2026-01-01", "updated_at": "2026-01-01"}
            for annotation in task.setdefault("annotations", []):
                annotation |= {"id": number, "completed_by": 1}
        tasks.write_text(json.dumps(content))
        made = converter.Converter(str(tasks.with_suffix(".label_config.xml")), str(folder), download_resources=False)
        made.convert_to_coco(str(tasks.parent), str(folder / "out"), str(folder / "images"), is_dir=True)
        shutil.copy(folder / "out" / "result.json", into)


if __name__ == "__main__":
    tool, read, written = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if tool == "label-studio":
        through_label_studio(read, written)
    else:
        through_datumaro(read, written, "mask" if tool.endswith("masks") else "polygons")
