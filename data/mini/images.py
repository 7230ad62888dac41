"""The miniature images: VOC 2007 and COCO val2014, in the formats of the official files.

The images are rendered scenes (see `data.mini.scenes`) with the difficulties of the official data: truncated and
difficult objects in VOC; gaps between ids, crowds and images without objects in COCO.
"""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from data.images import datasets as images
from data.images import voc
from data.mini.scenes import CATEGORIES, SHEEP, Object, Scene, draw_scene

PIECES = (Path(voc.FOLDER).parts[0], images.COCO)

VOC_IMAGES = {"trainval": 200, "test": 80}
COCO_IMAGES, COCO_MINIVAL = 300, 80  # images of val2014, and how many of them are in minival
COCO_GAP = 7  # difference between two image ids
EMPTY = 50  # Every 50th image of COCO has no object.
CROWD = 3  # This number of sheep, or more, is annotated as one crowd.

JPEG_QUALITY = 90


def write_images(folder: Path, seed: int) -> None:
    """Writes `PIECES` to `folder`, where they must not exist yet. The same seed writes the same bytes."""
    _write_voc(folder / voc.FOLDER, seed)
    _write_coco(folder / images.COCO, seed)


def _write_voc(folder: Path, seed: int) -> None:
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    generator = np.random.default_rng([seed, 2007])
    ids = [f"{number:06}" for number in range(1, sum(VOC_IMAGES.values()) + 1)]
    for name in ids:
        scene = draw_scene(generator)
        write_jpeg(folder / f"JPEGImages/{name}.jpg", scene)
        (folder / f"Annotations/{name}.xml").write_text(_voc_annotation(name, scene))
    shuffled = generator.permutation(ids).tolist()
    for split, count in VOC_IMAGES.items():
        of_split, shuffled = shuffled[:count], shuffled[count:]
        (folder / f"ImageSets/Main/{split}.txt").write_text("".join(f"{name}\n" for name in sorted(of_split)))


def _voc_annotation(name: str, scene: Scene) -> str:
    height, width, depth = scene.pixels.shape
    root = ElementTree.Element("annotation")
    _add(root, {"folder": "VOC2007", "filename": f"{name}.jpg", "source": {"database": "FAN's miniature"}})
    _add(root, {"size": {"width": width, "height": height, "depth": depth}, "segmented": 0})
    for each in scene.objects:
        corners = dict(zip(voc.SIDES, (edge + 1 for edge in each.box), strict=True))
        flags = {"truncated": int(each.truncated), "difficult": int(each.difficult)}
        _add(root, {"object": {"name": each.category.voc, "pose": "Unspecified", **flags, "bndbox": corners}})
    ElementTree.indent(root, "\t")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(parent: ElementTree.Element, children: dict[str, Any]) -> None:
    """Adds children to an element, given as tag -> text or tag -> children."""
    for tag, content in children.items():
        child = ElementTree.SubElement(parent, tag)
        if isinstance(content, dict):
            _add(child, content)
        else:
            child.text = str(content)


def _write_coco(folder: Path, seed: int) -> None:
    for name in ("annotations", "val2014"):
        (folder / name).mkdir(parents=True)
    generator = np.random.default_rng([seed, 2014])
    entries, annotations = [], []
    for number in range(1, COCO_IMAGES + 1):
        scene = draw_scene(generator, groups=() if number % EMPTY == 0 else None)
        height, width, _ = scene.pixels.shape
        entry = {"id": number * COCO_GAP, "file_name": f"COCO_val2014_{number * COCO_GAP:012}.jpg"}
        entries.append(entry | {"width": width, "height": height})
        annotations += [{"image_id": entry["id"], **fields} for fields in _coco_annotations(scene)]
        write_jpeg(folder / "val2014" / entry["file_name"], scene)
    annotations = [{"id": number, **fields} for number, fields in enumerate(annotations, start=1)]
    _write_instances(folder / "annotations/instances_val2014.json", entries, annotations)

    # Images that are in val2017, too, have the same ids there, but file names without prefix.
    minival = set(generator.permutation([entry["id"] for entry in entries])[:COCO_MINIVAL].tolist())
    entries = [entry | {"file_name": entry["file_name"][-16:]} for entry in entries if entry["id"] in minival]
    annotations = [each for each in annotations if each["image_id"] in minival]
    _write_instances(folder / "annotations" / images.MINIVAL_FILES[0], entries, annotations)


def _coco_annotations(scene: Scene) -> list[dict[str, Any]]:
    """Returns the annotations of a scene without ids; `CROWD` or more sheep become one crowd."""
    sheep = [each for each in scene.objects if each.category is SHEEP]
    if len(sheep) < CROWD:
        return [_coco_annotation(each.category.coco_id, [each]) for each in scene.objects]
    return [_coco_annotation(SHEEP.coco_id, sheep)]


def _coco_annotation(category: int, objects: list[Object]) -> dict[str, Any]:
    """Returns the annotation of one object, or of several objects as a crowd."""
    corners = np.array([each.box for each in objects])
    x, y = corners[:, :2].min(axis=0).tolist()
    width, height = (corners[:, 2:].max(axis=0) - (x, y) + 1).tolist()
    box = {"bbox": [x, y, width, height], "area": width * height}
    return {"category_id": category, **box, "iscrowd": int(len(objects) > 1)}


def _write_instances(path: Path, entries: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> None:
    categories = [{"supercategory": "", "id": each.coco_id, "name": each.coco} for each in CATEGORIES]
    info = {"description": "FAN's miniature"}
    contents = {"info": info, "images": entries, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(contents) + "\n")


def write_jpeg(path: Path, scene: Scene) -> None:
    """Writes the pixels of a scene as JPEG."""
    Image.fromarray(scene.pixels).save(path, quality=JPEG_QUALITY)
