"""What each region of an image attends to in a trained network; the file is described in `data.images.attended`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray
from tqdm import tqdm

from data.common.errors import UserError
from data.common.files import write_arrays
from data.images.attended import DTYPES, Regions
from data.images.pixels import read_pixels
from vision.checkpoint import TrainedRun
from vision.config import DetectionConfig
from vision.devices import find_devices
from vision.models.boxes import iou
from vision.models.detector import DetectorOutput
from vision.postprocess import moved_boxes, soft_nms
from vision.transforms import make_image

BAR = {"unit": "image", "mininterval": 1, "leave": False, "delay": 5}


def attended_regions(
    output: DetectorOutput, size: NDArray, scale: NDArray, config: DetectionConfig, most: int
) -> Regions:
    """The real ROIs of one image.

    Args:
        output: output of the detector, batch size 1.
        size: [1, 2] height and width of the image, as input of the network.
        scale: [1] size of the image relative to the original.
        config: threshold and σ of soft-NMS.
        most: A, attended regions to keep per ROI.
    """
    real = np.flatnonzero(output.mask[0].asnumpy())
    # As in `vision.postprocess`, soft-NMS uses the overlaps after box regression.
    boxes = moved_boxes(output, size, scale)[0]
    overlaps = iou(boxes, boxes).asnumpy()[np.ix_(real, real)]
    of_classes = nd.softmax(output.logits)[0].asnumpy()[real, 1:]  # [N, C]
    candidates = np.where(of_classes > config.score_threshold, of_classes, 0)
    scores = soft_nms(candidates, overlaps, config.soft_nms_sigma, most=len(real))

    labels = of_classes.argmax(axis=1)
    rows = np.arange(len(real))
    return Regions(
        nd.broadcast_div(output.rois, scale.reshape((-1, 1, 1)))[0].asnumpy()[real],
        boxes.asnumpy()[real],
        labels,
        of_classes[rows, labels],
        scores[rows, labels],
        *strongest_attention(output.relations[0].asnumpy()[np.ix_(real, real)], most),
    )


def strongest_attention(logits: np.ndarray, most: int) -> tuple[np.ndarray, ...]:
    """What each of N entities attends to most.

    Weights are ranked before the softmax, which may round several of them to the same number.

    Args:
        logits: [N, N] pair weights W before any softmax, without padding.
        most: A, others to keep per entity.

    Returns:
        row_masses [N] of W̃; self_weights [N], attended [N, A] and weights [N, A] of W_agg, filled up with -1 and 0.

    Example:
        >>> _, own, attended, weights = strongest_attention(np.log([[1, 1, 2], [1, 1, 1], [1, 1, 1]]), most=1)
        >>> attended.tolist(), weights.round(2).tolist()
        ([[2], [0], [0]], [[0.5], [0.33], [0.33]])
    """
    logits = logits.astype(np.float64)
    largest = logits.max(axis=1, initial=-np.inf, keepdims=True)
    exponentials = np.exp(logits - largest)
    sums = exponentials.sum(axis=1, keepdims=True)
    aggregation = exponentials / sums  # [N, N] W_agg
    masses = np.exp(largest - largest.max(initial=-np.inf)) * sums
    others = logits.copy()
    np.fill_diagonal(others, -np.inf)
    count = min(most, max(len(logits) - 1, 0))
    best = np.argsort(-others, axis=1, kind="stable")[:, :count]
    missing = ((0, 0), (0, most - count))
    attended = np.pad(best, missing, constant_values=-1)
    weights = np.pad(np.take_along_axis(aggregation, best, axis=1), missing)
    return (masses / masses.sum())[:, 0], aggregation.diagonal(), attended, weights


def attend(trained: TrainedRun, device: mx.Context, pixels: np.ndarray, most: int) -> Regions:
    """The ROIs of an image [H, W, 3] uint8 RGB, and the `most` others that each attends to most."""
    image, scale = make_image(pixels, trained.config.images)  # [3, H', W']
    image, size, scale = (nd.array(values, ctx=device) for values in (image[None], [image.shape[1:]], [scale]))
    return attended_regions(trained.detector(image, size), size, scale, trained.config.detection, most)


def readable_images(paths: list[Path], named: set[Path], left_out: list[str]) -> Iterator[tuple[Path, np.ndarray]]:
    """Yields each image file with its pixels, under a progress bar.

    Args:
        paths: the files.
        named: files that must be readable. Others are skipped if they are not.
        left_out: list to which a line is added for each skipped file.

    Raises:
        UserError: a named file cannot be read.
    """
    for path in tqdm(paths, desc="attending", **BAR):
        try:
            yield path, read_pixels(path)
        except UserError as error:
            if path in named:
                raise
            left_out.append(" ".join(str(error).split()))


def write_attended(folder: Path, paths: list[Path], named: set[Path], out: Path, most: int, gpus: str | None) -> None:
    """Writes the file `out` for the images `paths`, with the run in `folder`.

    Raises:
        UserError: a `named` image cannot be read, or none can.
    """
    device = find_devices(gpus)[0]
    trained = TrainedRun(folder, device)
    left_out: list[str] = []
    images, sizes, regions = [], [], []
    for path, pixels in readable_images(paths, named, left_out):
        images.append(str(path))
        sizes.append((pixels.shape[1], pixels.shape[0]))
        regions.append(attend(trained, device, pixels, most))
    for line in left_out:
        print(f"skipped: {line}", file=sys.stderr)
    if not images:
        raise UserError(f"{paths[0]}: none of {len(paths):,} image files can be read; use other images")
    columns = (np.concatenate(column) for column in zip(*regions, strict=True))
    rows = Regions(*(column.astype(dtype) for column, dtype in zip(columns, DTYPES, strict=True)))
    write_arrays(
        out,
        run=np.array("/".join(folder.resolve().parts[-4:])),
        variant=np.array(trained.config.variant),
        classes=np.array(trained.classes, str),
        images=np.array(images, str),
        sizes=np.array(sizes, np.int64),
        roi_offsets=np.cumsum([0, *(len(each.rois) for each in regions)]),
        **rows._asdict(),
        left_out=np.array(left_out, str),
    )
    print(f"{out}: {len(images):,} images, {len(rows.rois):,} regions, {len(left_out):,} files skipped")
