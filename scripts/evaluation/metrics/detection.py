"""Average precision of detections (Tables 3, 4 and 7): COCO's, computed by pycocotools, and PASCAL VOC's.

COCO (Lin et al.): precision at 101 levels of recall, averaged over the IoU thresholds 0.50, 0.55, …, 0.95 (`ap`) or at
0.50 only (`ap_50`), with at most 100 detections per image and category. A crowd matches any number of detections; its
overlap is the fraction of the detection inside the crowd. VOC has difficult objects instead of crowds. Here they are
passed to pycocotools as crowds, so they are neither missed objects nor false detections. This is slightly more lenient
than VOC: a small box inside a large difficult object is ignored as well.

VOC (Everingham et al.; VOCevaldet.m of the devkit), at IoU 0.5 with sides x2 - x1 + 1: each detection is assigned to
the object of its image and category with the largest overlap. In order of decreasing score, the first detection of an
object is correct if the IoU is at least 0.5; later ones, and those with less overlap, are false. Detections assigned
to an ignored object (difficult, or a crowd) are neither, and ignored objects need not be found. `voc_ap_50` averages
the best precision at a recall of at least 0, 0.1, …, 1 (VOC07); `voc_area_ap_50` is the area under that curve (VOC10
and later). `voc_ap` averages the 11-point precision over the IoU thresholds 0.50 to 0.95, as COCO does: the code that
the paper builds on has no COCO evaluation for VOC, so the paper's "avg mAP" may be either.
"""

import io
from contextlib import redirect_stdout
from typing import NamedTuple, TypeVar

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tqdm import tqdm

from data.images.boxes import iou
from data.records import ImageDataset

IOUS = np.linspace(0.5, 0.95, 10)  # thresholds, as in COCOeval
DETECTIONS_PER_IMAGE = 100  # and category; COCO ignores the others
ANY_AREA = [0, 1e10]


class Detections(NamedTuple):
    """D detections of a dataset.

    Args:
        images: [D] index of the image in the dataset.
        labels: [D] index of the category.
        boxes: [D, 4] corners in pixels.
        scores: [D].
    """

    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


class Objects(NamedTuple):
    """G objects of a dataset, in the order of its images.

    Args:
        images: [G] index of the image in the dataset.
        labels: [G] index of the category.
        boxes: [G, 4] corners in pixels.
        ignored: [G] whether the object is difficult or a crowd.
    """

    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    ignored: np.ndarray


class AveragePrecisions(NamedTuple):
    """Average precisions of C categories: [C] fractions each, NaN for a category without an object to find."""

    ap: np.ndarray
    ap_50: np.ndarray
    voc_ap: np.ndarray
    voc_ap_50: np.ndarray
    voc_area_ap_50: np.ndarray


Columns = TypeVar("Columns", Detections, Objects)


def objects_of(dataset: ImageDataset) -> Objects:
    """The objects of all images of `dataset`."""
    records = dataset.records
    return Objects(
        np.repeat(np.arange(len(records)), [len(record.labels) for record in records]),
        np.concatenate([record.labels for record in records]),
        np.concatenate([record.boxes for record in records]),
        np.concatenate([record.difficult | record.crowd for record in records]),
    )


def average_precisions(detections: Detections, objects: Objects, categories: int) -> AveragePrecisions:
    """All average precisions of all categories. Ties in score keep the given order, image by image.

    Args:
        detections: all detections of the dataset.
        objects: all objects of the dataset.
        categories: C, the number of categories.

    Example:
        >>> boxes = np.array([[0, 0, 9, 9]], np.float32)
        >>> objects = Objects(np.array([0]), np.array([0]), boxes, np.array([False]))
        >>> detections = Detections(np.array([0]), np.array([0]), boxes, np.array([0.9]))
        >>> float(average_precisions(detections, objects, categories=1).voc_ap_50[0])
        1.0
    """
    detections = _take(detections, np.argsort(detections.images, kind="stable"))
    measured = []
    for label in tqdm(range(categories), desc="average precision", unit="category", delay=5, leave=False):
        found, wanted = _take(detections, detections.labels == label), _take(objects, objects.labels == label)
        measured.append([*coco_average_precisions(found, wanted), *voc_average_precisions(found, wanted)])
    return AveragePrecisions(*np.array(measured).T)


def coco_average_precisions(detections: Detections, objects: Objects) -> tuple[float, float]:
    """AP@0.50:0.95 and AP@0.50 of one category by pycocotools; NaN without an object to find."""
    with redirect_stdout(io.StringIO()):  # pycocotools prints every step
        evaluation = COCOeval(
            _as_coco(objects.images, objects.boxes, iscrowd=objects.ignored.astype(int)),
            _as_coco(detections.images, detections.boxes, score=detections.scores),
            iouType="bbox",
        )
        # Images where the category is neither detected nor present do not affect its precision.
        evaluation.params.imgIds = np.union1d(objects.images, detections.images).tolist()
        evaluation.params.catIds = [1]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [ANY_AREA], ["all"]
        evaluation.params.maxDets = [DETECTIONS_PER_IMAGE]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]  # [10 thresholds, 101 levels, 1, 1, 1], -1 without an object to find
    if (precision < 0).all():
        return np.nan, np.nan
    return float(precision.mean()), float(precision[0].mean())


def voc_average_precisions(detections: Detections, objects: Objects) -> tuple[float, float, float]:
    """VOC's AP of one category: 11 points over the IoUs 0.50:0.95, 11 points at 0.5, and area at 0.5.

    NaN without an object to find.
    """
    if objects.ignored.all():
        return np.nan, np.nan, np.nan
    detections = _take(detections, np.argsort(-detections.scores, kind="stable"))
    chosen, overlap = _most_overlapped(detections, objects)
    at_ious = [_points_and_area(chosen, overlap, objects.ignored, threshold) for threshold in IOUS]
    points = [eleven for eleven, _ in at_ious]
    return float(np.mean(points)), points[0], at_ious[0][1]


def _points_and_area(
    chosen: np.ndarray, overlap: np.ndarray, ignored: np.ndarray, threshold: float
) -> tuple[float, float]:
    """11-point AP and area, from the object [D] assigned to each detection and the overlap [D] with it."""
    right, wrong = _judge(chosen, overlap, ignored, threshold)
    right, wrong = right.cumsum(), wrong.cumsum()
    total = np.count_nonzero(~ignored)
    precision = right / np.maximum(right + wrong, 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # best precision at this recall or higher
    # Levels are compared as integers, so that 3 of 10 objects are a recall of exactly 0.3.
    reached = np.searchsorted(10 * right, np.arange(11) * total)
    eleven_points = np.append(best, 0.0)[reached].mean()
    area = np.sum(np.diff(right, prepend=0) / total * best)
    return float(eleven_points), float(area)


def _take(columns: Columns, rows: np.ndarray) -> Columns:
    """The `rows` (a mask or indices) of all columns."""
    return type(columns)(*(column[rows] for column in columns))


def _as_coco(images: np.ndarray, boxes: np.ndarray, **columns: np.ndarray) -> COCO:
    """A COCO dataset of one category: images [n], corner boxes [n, 4] and further columns [n] of its annotations."""
    boxes = boxes.astype(np.float64)
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    columns = (
        {
            "id": np.arange(1, len(boxes) + 1),  # from 1, because 0 means "no match" in pycocotools
            "image_id": images,
            "category_id": np.ones(len(boxes), int),
            "bbox": np.hstack([boxes[:, :2], sizes]),
            "area": sizes.prod(axis=1),
        }
        | columns
    )
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    coco = COCO()
    coco.dataset["images"] = [{"id": image} for image in np.unique(images).tolist()]
    coco.dataset["categories"] = [{"id": 1}]
    coco.dataset["annotations"] = [dict(zip(columns, row, strict=True)) for row in rows]
    coco.createIndex()
    return coco


def _judge(
    chosen: np.ndarray, overlap: np.ndarray, ignored: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which detections [D] of a category, best first, are correct and which are false; some are neither.

    Args:
        chosen: [D] the object that each detection overlaps most.
        overlap: [D] their IoU.
        ignored: [G] whether an object is difficult or a crowd.
        threshold: smallest IoU of a correct detection.
    """
    (matched,) = np.nonzero(overlap >= threshold)
    neither, right = np.zeros((2, len(overlap)), bool)
    neither[matched] = ignored[chosen[matched]]
    _, first = np.unique(chosen[matched], return_index=True)  # first detection of each object
    right[matched[first]] = True
    right &= ~neither
    return right, ~right & ~neither


def _most_overlapped(detections: Detections, objects: Objects) -> tuple[np.ndarray, np.ndarray]:
    """For each detection the object of its image with the highest IoU, and that IoU: [D] each; 0 without any object.

    Every detection is paired with every object of its image, in one list of pairs.
    """
    first = np.searchsorted(objects.images, detections.images, side="left")  # [D]
    count = np.searchsorted(objects.images, detections.images, side="right") - first  # [D]
    detection = np.repeat(np.arange(len(count)), count)  # [pairs]
    place = np.arange(len(detection)) - np.repeat(count.cumsum() - count, count)  # [pairs] 0, 1, … among its objects
    candidate = first[detection] + place  # [pairs]
    ious = iou(detections.boxes[detection], objects.boxes[candidate])
    best_first = np.lexsort((place, -ious, detection))
    paired, best = np.unique(detection[best_first], return_index=True)
    chosen, overlap = np.zeros(len(count), int), np.zeros(len(count))
    chosen[paired], overlap[paired] = candidate[best_first[best]], ious[best_first[best]]
    return chosen, overlap
