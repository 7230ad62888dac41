"""From the outputs of the head to detections: box regression, soft or hard NMS, and the file of detections."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

from data.common.files import replaced_on_success
from vision.config import DetectionConfig
from vision.models.boxes import clip, decode, iou
from vision.models.detector import DetectorOutput
from vision.targets import BOX_STDS

Suppression = Literal["soft", "hard"]
HARD_NMS_IOU = 0.3  # as in Fast R-CNN on VOC and in Deformable ConvNets


class Detections(NamedTuple):
    """The detections of an image, best first.

    Args:
        boxes: [D, 4] float32 corners in pixels of the original image.
        scores: [D] float32.
        labels: [D] int, classes from 0.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def detections(
    output: DetectorOutput,
    sizes: NDArray,
    scales: NDArray,
    config: DetectionConfig,
    suppression: Suppression = "soft",
) -> list[Detections]:
    """The detections of each image of a batch.

    Args:
        output: the output of the detector.
        sizes: [B, 2] height and width of each image, as input of the network.
        scales: [B] size of each image relative to the original.
        config: score threshold, σ of soft-NMS and number of detections.
        suppression: "soft": scores decay by overlap with better boxes of the class; "hard": boxes with an IoU above 0.3
            with a better box of the class are removed.
    """
    boxes = moved_boxes(output, sizes, scales)
    probabilities = nd.softmax(output.logits).slice_axis(axis=2, begin=1, end=None)  # [B, N, classes]
    probabilities = nd.broadcast_mul(probabilities, output.mask.expand_dims(2))
    arrays = (array.asnumpy() for array in (boxes, probabilities, iou(boxes, boxes)))
    return [_detect(*image, config, suppression) for image in zip(*arrays, strict=True)]


def moved_boxes(output: DetectorOutput, sizes: NDArray, scales: NDArray) -> NDArray:
    """[B, N, 4] the ROIs after box regression, in pixels of the original images. Arguments as for `detections`.

    Boxes are at least one pixel large: x2 < x1 would become a negative width in images that were shrunk.
    """
    deltas = nd.broadcast_mul(output.deltas, nd.array(BOX_STDS, ctx=output.deltas.context))
    boxes = nd.broadcast_div(clip(decode(output.rois, deltas), sizes), scales.reshape((-1, 1, 1)))
    first, last = nd.split(boxes, 2, axis=2)  # [B, N, 2]
    return nd.concat(first, nd.maximum(first, last), dim=2)


def _detect(
    boxes: np.ndarray,
    probabilities: np.ndarray,
    overlaps: np.ndarray,
    config: DetectionConfig,
    suppression: Suppression,
) -> Detections:
    """Detections from class-agnostic boxes [N, 4], probabilities [N, classes] and overlaps [N, N]."""
    candidates = np.where(probabilities > config.score_threshold, probabilities, 0)
    if suppression == "soft":
        scores = soft_nms(candidates, overlaps, config.soft_nms_sigma, config.most)
    else:
        scores = hard_nms(candidates, overlaps, HARD_NMS_IOU, config.most)
    best = np.argsort(-scores, axis=None, kind="stable")[: config.most]
    best = best[scores.flat[best] > 0]
    rois, labels = np.unravel_index(best, scores.shape)
    return Detections(boxes[rois], scores[rois, labels], labels)


def soft_nms(scores: np.ndarray, overlaps: np.ndarray, sigma: float, most: int) -> np.ndarray:
    """Gaussian soft-NMS (Bodla et al., 2017) of all classes at once.

    Repeatedly takes the best remaining box and multiplies the scores of the others by exp(-IoU² / σ), with their IoU to
    this box. As in Relation Networks, no box is removed for its score.

    Args:
        scores: [N, classes]; 0 if a box is not a candidate.
        overlaps: [N, N] IoU of the boxes.
        sigma: 0.6 in Relation Networks.
        most: boxes to take per class. Scores are taken in descending order, so the number wanted over all classes is
            enough.

    Returns:
        [N, classes] scores at the time when boxes were taken; 0 for boxes that were not taken.

    Example:
        >>> overlaps = np.array([[1.0, 0.6], [0.6, 1.0]])
        >>> soft_nms(np.array([[0.9], [0.5]]), overlaps, sigma=0.6, most=2).round(3).tolist()
        [[0.9], [0.274]]
    """
    return _suppress(scores, np.exp(-(overlaps**2) / sigma), most)


def hard_nms(scores: np.ndarray, overlaps: np.ndarray, threshold: float, most: int) -> np.ndarray:
    """Non-maximum suppression of all classes at once: removes boxes with an IoU above `threshold` with a better one.

    Arguments and result are those of `soft_nms`.

    Example:
        >>> overlaps = np.array([[1.0, 0.6], [0.6, 1.0]])
        >>> hard_nms(np.array([[0.9], [0.5]]), overlaps, threshold=0.3, most=2).tolist()
        [[0.9], [0.0]]
    """
    return _suppress(scores, (overlaps <= threshold).astype(scores.dtype), most)


def _suppress(scores: np.ndarray, decay: np.ndarray, most: int) -> np.ndarray:
    """Takes the best box of each class `most` times, and multiplies the other scores by its row of `decay` [N, N]."""
    left, taken = scores.T.copy(), np.zeros_like(scores.T)  # [classes, N]
    rows = np.arange(len(left))
    for _ in range(min(most, len(scores))):
        best = left.argmax(axis=1)
        taken[rows, best] = np.maximum(taken[rows, best], left[rows, best])  # 0 for a class without boxes left
        left *= decay[best]
        left[rows, best] = 0
    return taken.T


@contextmanager
def detections_writer(path: Path, category_ids: tuple[int, ...]) -> Iterator[Callable[[str, Detections], None]]:
    """Yields a function that adds the id and the detections of an image to a COCO results file.

    The file appears in one step when the block ends, and not at all if it raises.

    Args:
        category_ids: id of each class in the file.
    """
    with replaced_on_success(path) as temporary, temporary.open("w") as file:
        separator = ""

        def add(image_id: str, found: Detections) -> None:
            nonlocal separator
            for entry in coco_results(image_id, found, category_ids):
                file.write(f"{separator}\n{json.dumps(entry)}")
                separator = ","

        file.write("[")
        yield add
        file.write("\n]\n")


def coco_results(image_id: str, found: Detections, category_ids: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """The detections of an image in COCO's results format, in which bbox is x, y, width, height.

    A box with x1 = x2 has width 1, as everywhere here. Numeric image ids are written as numbers.
    """
    x1, y1, x2, y2 = found.boxes.T
    boxes = np.stack([x1, y1, x2 - x1 + 1, y2 - y1 + 1], axis=1).round(2)
    columns = (boxes.astype(float).tolist(), found.scores.astype(float).tolist(), found.labels.tolist())
    for box, score, label in zip(*columns, strict=True):
        yield {
            "image_id": int(image_id) if image_id.isdecimal() and image_id == str(int(image_id)) else image_id,
            "category_id": category_ids[label],
            "bbox": box,
            "score": round(score, 6),
        }
