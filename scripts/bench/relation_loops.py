"""Relation targets and recall as loops over their definitions, the baselines of `scripts.bench.vision`."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.images.relations import relations_between
from scripts.evaluation.metrics.relations import RELATION_IOU

ROIS, OBJECTS, CATEGORIES = 300, 8, 4


class Scene(NamedTuple):
    """A made-up image: ROIs [N, 4], half of them on objects, and boxes [G, 4] and labels [G] of objects; float32."""

    rois: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


def made_up_scene(seed: int, height: int = 600, width: int = 1000, objects: int = OBJECTS) -> Scene:
    """Objects at random places in an image, and ROIs; every other ROI is the shifted box of an object."""
    generator = np.random.default_rng(seed)
    size = np.array([width, height])
    boxes = _boxes_within(size, objects, generator)
    rois = _boxes_within(size, ROIS, generator)
    on_objects = boxes[np.arange(0, ROIS, 2) % objects]
    rois[::2] = on_objects + generator.normal(0, width / 100, on_objects.shape)
    labels = np.arange(objects) % CATEGORIES
    return Scene(*(array.astype(np.float32) for array in (rois, boxes, labels)))


def made_up_pairs(rois: int, count: int) -> np.ndarray:
    """[count, 2] distinct pairs of different ROIs."""
    first, second = np.nonzero(~np.eye(rois, dtype=bool))
    drawn = np.random.default_rng(0).permutation(len(first))[:count]
    return np.stack([first[drawn], second[drawn]], axis=1)


def looped_targets(scene: Scene) -> np.ndarray:
    """Relation targets [N, N] by a loop over the pairs of ROIs."""
    labels = scene.labels.tolist()
    under = _objects_under(scene)
    targets = np.zeros((len(under), len(under)), np.float32)
    for m, first in enumerate(under):
        for n, second in enumerate(under):
            if m != n and any(labels[g] != labels[h] for g in first for h in second):
                targets[m, n] = 1
    return targets


def looped_recall(scene: Scene, pairs: np.ndarray, top_k: Sequence[int]) -> np.ndarray:
    """Recall at each K of `top_k` by a loop over the pairs of ROIs."""
    relations = {tuple(relation) for relation in relations_between(scene.labels, "different_category").tolist()}
    under = _objects_under(scene)
    ranks: dict[tuple[int, int], int] = {}
    for rank, (m, n) in enumerate(pairs.tolist(), start=1):
        for g in under[m]:
            for h in under[n]:
                relation = (min(g, h), max(g, h))
                if relation in relations:
                    ranks.setdefault(relation, rank)
    return np.array([sum(rank <= k for rank in ranks.values()) / len(relations) for k in top_k])


def _boxes_within(size: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """[count, 4] boxes inside an image of `size` (width, height), with sides of 0.1 to 0.4 of the image's."""
    sides = generator.uniform(0.1, 0.4, (count, 2)) * size
    corners = generator.uniform(0, 1, (count, 2)) * (size - sides)
    return np.concatenate([corners, corners + sides - 1], axis=1)


def _objects_under(scene: Scene) -> list[list[int]]:
    """The objects that each ROI is on."""
    boxes = scene.boxes.tolist()
    return [[g for g, box in enumerate(boxes) if _overlap(roi, box) > RELATION_IOU] for roi in scene.rois.tolist()]


def _overlap(one: list[float], other: list[float]) -> float:
    """IoU of two boxes."""
    width = max(min(one[2], other[2]) - max(one[0], other[0]) + 1, 0)
    height = max(min(one[3], other[3]) - max(one[1], other[1]) + 1, 0)
    areas = [(x2 - x1 + 1) * (y2 - y1 + 1) for x1, y1, x2, y2 in (one, other)]
    return width * height / (sum(areas) - width * height)
