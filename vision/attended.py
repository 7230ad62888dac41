"""What each region of an image attends to, by a trained run.

`python -m vision.attended RUN [IMAGE|FOLDER …] --out FILE.npz`; Figures 1 and 7 and the page of relations are made of
such files. FILE.npz holds, of I images with R ROIs in all and C categories,

    run, variant        the run, as `<preset>/<data set>/<variant>/seed<k>`, and its variant
    classes [C]         the categories
    images [I]          image files, as they were given
    sizes [I, 2]        their width and height in pixels
    roi_offsets [I+1]   the i-th image has the rows of what follows from roi_offsets[i] to roi_offsets[i+1]
    rois [R, 4]         corners in pixels of the image
    boxes [R, 4]        the ROIs moved to their objects, as detections are
    labels [R]          best category
    probabilities [R]   of that category
    scores [R]          the same as soft-NMS leaves it: small beside a better ROI on the same object
    row_masses [R]      how much of the weight of all pairs, W̃ (eq. 2), the ROI's row holds
    self_weights [R]    attention weight of the ROI to itself
    attended [R, A]     the other ROIs that it attends to most, best first, counted from 0 within the image; -1 for none
    weights [R, A]      their attention weights; 0 for none
    left_out [L]        a line for each image file of a folder that could not be read

Attention weights are those that FAN aggregates with, W_agg (paper, eq. 4): the softmax over each row of W. Those of a
ROI to all ROIs, itself too, sum to 1.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.files import write_arrays
from data.common.options import add_data_option, add_gpus_option, choose_gpus, count_from_1
from data.common.runs import RunFolder
from data.images.pixels import read_pixels
from vision.chosen_images import choose_images, find_images
from vision.config import Config

if TYPE_CHECKING:
    import mxnet as mx
    from mxnet.ndarray import NDArray

    from vision.checkpoint import TrainedRun
    from vision.config import DetectionConfig
    from vision.models.detector import DetectorOutput

EXAMPLES = """\
examples:
  python -m vision.attended runs/paper/minicoco/fan-sup/seed0 street.jpg photos --out sup.npz
  python -m vision.attended runs/paper/minicoco/fan-sup/seed0 --count 8 --out sup.npz
"""

BAR = {"unit": "image", "mininterval": 1, "leave": False, "delay": 5}


class Regions(NamedTuple):
    """The N ROIs of an image and what they attend to; the module says what the fields are."""

    rois: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    scores: np.ndarray
    row_masses: np.ndarray
    self_weights: np.ndarray
    attended: np.ndarray
    weights: np.ndarray


def attended_regions(
    output: "DetectorOutput", size: "NDArray", scale: "NDArray", config: "DetectionConfig", most: int
) -> Regions:
    """The real ROIs of one image.

    Args:
        output: what the detector returned of it, batch size 1.
        size: [1, 2] height and width of the image as the network saw it.
        scale: [1] by which the original was multiplied.
        config: threshold and σ of soft-NMS.
        most: A, how many attended regions of a ROI to keep.
    """
    from mxnet import nd

    from vision.models.boxes import iou
    from vision.postprocess import moved_boxes, soft_nms

    real = np.flatnonzero(output.mask[0].asnumpy())
    # As in `vision.postprocess`: scores fall where boxes overlap after each ROI has been moved to its object.
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

    Weights are ranked before the softmax: where it rounds several to one number, their order stands.

    Args:
        logits: [N, N] pair weights W before any softmax, without padding.
        most: A, how many others to keep.

    Returns:
        row_masses [N] of W̃; self_weights [N], attended [N, A], weights [N, A] of W_agg, -1 and 0 where there are no
        more others.
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


def attend(trained: "TrainedRun", device: "mx.Context", pixels: np.ndarray, most: int) -> Regions:
    """The ROIs of an image [H, W, 3] uint8 RGB, and the `most` regions that each attends to most."""
    from mxnet import nd

    from vision.transforms import make_image

    image, scale = make_image(pixels, trained.config.images)  # [3, H', W']
    image, size, scale = (nd.array(values, ctx=device) for values in (image[None], [image.shape[1:]], [scale]))
    return attended_regions(trained.detector(image, size), size, scale, trained.config.detection, most)


def readable_images(paths: list[Path], named: set[Path], left_out: list[str]) -> Iterator[tuple[Path, np.ndarray]]:
    """Yields each image file with its pixels, under a progress bar.

    Args:
        paths: the files.
        named: those that were asked for by name: they must be readable. Others that are not are left out.
        left_out: is extended by a line for each of these.

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
    """Writes the file `out` of the images `paths` by the run in `folder`.

    Raises:
        UserError: a `named` image, or all of them, cannot be read.
    """
    from vision.checkpoint import TrainedRun
    from vision.devices import find_devices

    device = find_devices(gpus)[0]
    trained = TrainedRun(folder, device)
    left_out: list[str] = []
    images, sizes, regions = [], [], []
    for path, pixels in readable_images(paths, named, left_out):
        images.append(str(path))
        sizes.append((pixels.shape[1], pixels.shape[0]))
        regions.append(attend(trained, device, pixels, most))
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    if not images:
        raise UserError(f"{paths[0]}: neither it nor any other of {len(paths):,} files can be read; give other images")
    rows = Regions(*(np.concatenate(column) for column in zip(*regions, strict=True)))
    write_arrays(
        out,
        run=np.array("/".join(folder.resolve().parts[-4:])),
        variant=np.array(trained.config.variant),
        classes=np.array(trained.classes, str),
        images=np.array(images, str),
        sizes=np.array(sizes, np.int64),
        roi_offsets=np.cumsum([0, *(len(each.rois) for each in regions)]),
        rois=rows.rois.astype(np.float32),
        boxes=rows.boxes.astype(np.float32),
        labels=rows.labels.astype(np.int64),
        probabilities=rows.probabilities.astype(np.float32),
        scores=rows.scores.astype(np.float32),
        row_masses=rows.row_masses.astype(np.float32),
        self_weights=rows.self_weights.astype(np.float32),
        attended=rows.attended.astype(np.int16),
        weights=rows.weights.astype(np.float32),
        left_out=np.array(left_out, str),
    )
    print(f"{out}: {len(images):,} images, {len(rows.rois):,} regions, {len(left_out):,} files left out")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m vision.attended",
        description="Writes what each region of images attends to in a finished run with focused attention: the rows "
        "of W_agg (eq. 4), the largest weights first.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="run folder: <runs>/<preset>/<data set>/<variant>/seed<k>")
    parser.add_argument(
        "images",
        nargs="*",
        type=Path,
        help="image files, and folders whose image files are taken, those of folders in them too (default: --count "
        "images, spread evenly, of MIT67's test scenes where the run was trained on minicoco and they are there, as in "
        "the paper; else of the run's test images with objects of two categories)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .npz to write")
    parser.add_argument(
        "--count", type=count_from_1, default=4, metavar="N", help="images where none are given (default: %(default)s)"
    )
    parser.add_argument(
        "--most", type=count_from_1, default=32, metavar="A", help="regions to keep for each (default: %(default)s)"
    )
    add_data_option(parser)
    add_gpus_option(parser)
    return parser


def main() -> None:
    """Command line of `python -m vision.attended`."""
    arguments = build_parser().parse_args()
    run = RunFolder(arguments.run)
    run.require_finished()
    config = read_config(Config, run.config_path)
    if not config.model.has_relations:
        raise UserError(f"{run.path}: a network that weighs no pairs; give a run with FAN, or with relation modules")
    if arguments.images:
        paths = find_images(arguments.images)
    else:
        paths = choose_images(config, arguments.data, arguments.count)
    choose_gpus(arguments.gpus)
    write_attended(run.path, paths, set(arguments.images), arguments.out, arguments.most, arguments.gpus)


if __name__ == "__main__":
    run_command(main)
