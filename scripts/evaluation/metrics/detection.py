"""Average precision of detections (Tables 3, 4 and 7): COCO's, computed by pycocotools, and PASCAL VOC's own.

COCO (Lin et al.): precision at 101 levels of recall, the mean over the IoU thresholds 0.50, 0.55, …, 0.95 (`ap`) and at
0.50 alone (`ap_50`), with at most 100 detections an image and category. A crowd takes up any number of detections, and
its overlap is the part of the detection that lies in it. VOC knows difficult objects and no crowds; here pycocotools is
told that they are crowds, so that they neither count as missed nor make a detection wrong. It is a little more lenient
there than VOC: a small box within a large difficult object is left out, too.

VOC (Everingham et al.; the devkit's VOCevaldet.m), at IoU 0.5 with sides x2 - x1 + 1: a detection belongs to the object
of its image and category that it overlaps most. From the highest score down, the first detection of an object is right
if the IoU is 0.5 or more; every further one is wrong, and so is one that overlaps no object enough. What belongs to an
ignored object (difficult, or a crowd) is neither, and ignored objects need not be found. `voc_ap_50` is the mean of the
best precision at a recall of at least 0, 0.1, …, 1 (VOC07), `voc_area_ap_50` the area below that curve (from 2010 on).
`voc_ap` is the mean of the 11-point precision over the IoU thresholds 0.50 to 0.95, as COCO averages: the code that the
paper's descends from has no COCO evaluation for VOC, so the paper's "avg mAP" may be either.
"""

import io
from contextlib import redirect_stdout
from typing import NamedTuple, TypeVar

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tqdm import tqdm

from data.records import ImageDataset
from scripts.evaluation.metrics.boxes import iou

IOUS = np.linspace(0.5, 0.95, 10)  # of the averages, as in COCOeval
DETECTIONS_OF_AN_IMAGE = 100  # and category: what COCO looks at
ANY_AREA = [0, 1e10]


class Detections(NamedTuple):
    """D detections of a data set.

    Args:
        images: [D] index of the image in the data set.
        labels: [D] index of the category.
        boxes: [D, 4] corner form, in pixels.
        scores: [D].
    """

    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


class Objects(NamedTuple):
    """G objects of a data set, in the order of its images.

    Args:
        images: [G] index of the image in the data set.
        labels: [G] index of the category.
        boxes: [G, 4] corner form, in pixels.
        ignored: [G] whether it is difficult or a crowd.
    """

    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    ignored: np.ndarray


class AveragePrecisions(NamedTuple):
    """Average precisions of C categories, [C] fractions each; NaN for a category without an object to find."""

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
    """All measures of all categories; detections of equal score are ranked in the order given, image by image.

    Memory beyond the arguments is that of one category. Most of the time is pycocotools'.

    Args:
        detections: of the whole data set.
        objects: of the whole data set.
        categories: C, their number.
    """
    detections = _take(detections, np.argsort(detections.images, kind="stable"))
    measured = []
    for label in tqdm(range(categories), desc="average precision", unit="category", delay=5, leave=False):
        found, wanted = _take(detections, detections.labels == label), _take(objects, objects.labels == label)
        measured.append([*coco_average_precisions(found, wanted), *voc_average_precisions(found, wanted)])
    return AveragePrecisions(*np.array(measured).T)


def coco_average_precisions(detections: Detections, objects: Objects) -> tuple[float, float]:
    """AP at 0.50:0.95 and at 0.50 of one category, by pycocotools; NaN without an object to find."""
    with redirect_stdout(io.StringIO()):  # pycocotools prints every step
        evaluation = COCOeval(
            _as_coco(objects.images, objects.boxes, iscrowd=objects.ignored.astype(int)),
            _as_coco(detections.images, detections.boxes, score=detections.scores),
            iouType="bbox",
        )
        # An image where the category is neither found nor present has no part in its precision.
        evaluation.params.imgIds = np.union1d(objects.images, detections.images).tolist()
        evaluation.params.catIds = [1]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [ANY_AREA], ["all"]
        evaluation.params.maxDets = [DETECTIONS_OF_AN_IMAGE]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]  # [10 thresholds, 101 levels, 1, 1, 1], -1 without an object to find
    if (precision < 0).all():
        return np.nan, np.nan
    return float(precision.mean()), float(precision[0].mean())


def voc_average_precisions(detections: Detections, objects: Objects) -> tuple[float, float, float]:
    """VOC's AP of one category: at 11 points over the IoUs 0.50:0.95 and at 0.5, and the area at 0.5.

    They are NaN without an object to find.
    """
    if objects.ignored.all():
        return np.nan, np.nan, np.nan
    detections = _take(detections, np.argsort(-detections.scores, kind="stable"))
    chosen, overlap = _most_overlapped(detections, objects)
    at_ious = [_points_and_area(chosen, overlap, objects.ignored, threshold) for threshold in IOUS]
    points = [of_points for of_points, _ in at_ious]
    return float(np.mean(points)), points[0], at_ious[0][1]


def _points_and_area(
    chosen: np.ndarray, overlap: np.ndarray, ignored: np.ndarray, threshold: float
) -> tuple[float, float]:
    """AP at 11 points and as area, of the object [D] chosen by each detection and the overlap [D] with it."""
    right, wrong = _judge(chosen, overlap, ignored, threshold)
    right, wrong = right.cumsum(), wrong.cumsum()
    total = np.count_nonzero(~ignored)
    precision = right / np.maximum(right + wrong, 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or a higher one
    # Levels are compared as integers: 3 of 10 objects are a recall of 0.3 exactly.
    reached = np.searchsorted(10 * right, np.arange(11) * total)
    eleven_points = np.append(best, 0.0)[reached].mean()
    area = np.sum(np.diff(right, prepend=0) / total * best)
    return float(eleven_points), float(area)


def _take(columns: Columns, rows: np.ndarray) -> Columns:
    """The `rows` (a mask or indices) of all columns."""
    return type(columns)(*(column[rows] for column in columns))


def _as_coco(images: np.ndarray, boxes: np.ndarray, **columns: np.ndarray) -> COCO:
    """A COCO data set of one category: images [n], corner boxes [n, 4] and further columns [n] of its annotations."""
    boxes = boxes.astype(np.float64)
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    columns = (
        {
            "id": np.arange(1, len(boxes) + 1),  # from 1: pycocotools writes 0 for "no match"
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
    """[D] whether each detection of a category, the best first, is right, and whether it is wrong; some are neither.

    Args:
        chosen: [D] the object that each detection overlaps most.
        overlap: [D] their IoU.
        ignored: [G] whether an object is difficult or a crowd.
        threshold: the IoU at which a detection belongs to its object.
    """
    (matched,) = np.nonzero(overlap >= threshold)
    neither, right = np.zeros((2, len(overlap)), bool)
    neither[matched] = ignored[chosen[matched]]
    _, first = np.unique(chosen[matched], return_index=True)  # the first detection of each object that has one
    right[matched[first]] = True
    right &= ~neither
    return right, ~right & ~neither


def _most_overlapped(detections: Detections, objects: Objects) -> tuple[np.ndarray, np.ndarray]:
    """For each detection the object of its image with the highest IoU, and that IoU: [D] each; 0 where there is none.

    Every detection is paired with every object of its image, all in one list.
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
