"""Predictions of a finished detection run: files for its test and training images, and pictures of image files."""

from collections.abc import Container, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import mxnet as mx
import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray
from tqdm import tqdm

from data.common.errors import UserError
from data.common.files import write_arrays
from data.images.datasets import read_images
from data.images.pixels import read_pixels
from data.images.proposals import PAIRS, Proposals, relations_writer
from data.records import ImageDataset
from vision.checkpoint import TrainedRun
from vision.criterion import Criterion
from vision.devices import find_devices, signals_deferred
from vision.drawing import draw_detections
from vision.loader import Batch, load_batches, test_order
from vision.models.detector import DetectorOutput
from vision.postprocess import Detections, Suppression, detections, detections_writer
from vision.proposals import relationship_proposals
from vision.transforms import make_image

SHOWN = 0.5  # detections in pictures have a score above this
BAR = {"unit": "image", "mininterval": 1, "leave": False}


class CenterMass(NamedTuple):
    """Center-mass of the pair weights of one image; NaN if the image has no target pair.

    Args:
        network: of the network's weights W.
        uniform: of equal weights: |T| / N² for N real ROIs, or in mode "row" the mean of |T_m| / N over the rows m with
            a target.
    """

    network: float
    uniform: float


class Prediction(NamedTuple):
    """The prediction for one image, in pixels of the image file.

    Args:
        image_id: id of its record.
        detections: best first.
        proposals: the ROIs and, with pair weights, their ranked pairs.
        center_mass: None in a network without pair weights.
    """

    image_id: str
    detections: Detections
    proposals: Proposals
    center_mass: CenterMass | None


def predict_image(
    trained: TrainedRun,
    image: NDArray,
    size: NDArray,
    scale: NDArray,
    pairs: int = PAIRS,
    suppression: Suppression = "soft",
) -> tuple[DetectorOutput, Detections, Proposals]:
    """The network's output for an image, its detections and its proposals.

    Args:
        image: [1, 3, H, W] input of the network.
        size: [1, 2] height and width.
        scale: [1] size of the image relative to the original.
        pairs: number of pairs of ROIs to rank; all if there are fewer.
        suppression: see `vision.postprocess.detections`.
    """
    output = trained.detector(image, size)
    (found,) = detections(output, size, scale, trained.config.detection, suppression)
    (proposals,) = relationship_proposals(output.rois, output.mask, output.logits, output.relations, scale, pairs)
    return output, found, proposals


def predict_images(
    trained: TrainedRun,
    dataset: ImageDataset,
    device: mx.Context,
    workers: int,
    pairs: int = PAIRS,
    suppression: Suppression = "soft",
) -> Iterator[Prediction]:
    """Yields the prediction of each image, landscapes before portraits."""
    criterion = Criterion(trained.config)
    for image_id, batch in _single_images(trained, dataset, device, workers):
        with signals_deferred():
            image = batch.images, batch.sizes, batch.scales
            output, found, proposals = predict_image(trained, *image, pairs, suppression)
            center_mass = None if output.relations is None else measure_center_mass(criterion, output, batch)
        yield Prediction(image_id, found, proposals, center_mass)


def measure_center_mass(criterion: Criterion, output: DetectorOutput, batch: Batch) -> CenterMass:
    """Center-mass of the weights of an image, and of equal weights instead."""
    equal = output._replace(relations=nd.zeros_like(output.relations))
    network, uniform = (
        criterion.relations(each, batch.boxes, batch.labels, batch.relations) for each in (output, equal)
    )
    if not network.related.asscalar():
        return CenterMass(np.nan, np.nan)
    return CenterMass(network.center_mass.asscalar(), uniform.center_mass.asscalar())


def write_test_set(
    folder: Path, data: Path, gpus: str | None, workers: int, pairs: int = PAIRS, suppression: Suppression = "soft"
) -> None:
    """Writes `detections.json`, `relations.npz` and, with pair weights, `center_mass.npz` for the test images of a run.

    With hard suppression it writes only the detections, to `detections.hard_nms.json`. Files are written image by
    image, so that memory does not grow.

    Args:
        folder: run folder.
        data: folder of the datasets.
        gpus: ids of the GPUs, as `0,1`.
        workers: threads that read images ahead.
        pairs: pairs of ROIs per image and ranking; all if there are fewer.
        suppression: "soft" or "hard".
    """
    device = find_devices(gpus)[0]
    trained = TrainedRun(folder, device)
    run, images, has_relations = trained.run, trained.config.images, trained.config.model.has_relations
    dataset = _read_images(trained, data, images.test_split, images.test_images)
    hard = suppression == "hard"
    path = run.hard_detections if hard else run.detections
    center_mass: dict[str, CenterMass] = {}
    with ExitStack() as files:
        add_detections = files.enter_context(detections_writer(path, dataset.category_ids))
        add_proposals = None if hard else files.enter_context(relations_writer(run.relations, has_relations))
        progress = files.enter_context(tqdm(total=len(dataset.records), desc="predicting", **BAR))
        for prediction in predict_images(trained, dataset, device, workers, pairs, suppression):
            add_detections(prediction.image_id, prediction.detections)
            if add_proposals:
                add_proposals(prediction.image_id, prediction.proposals)
            center_mass[prediction.image_id] = prediction.center_mass
            progress.update()
    if has_relations and not hard:
        _write_center_mass(run.center_mass, center_mass)
    print(f"{path}: {len(dataset.records):,} images")


def write_training_center_mass(folder: Path, data: Path, gpus: str | None, workers: int, most: int) -> None:
    """Writes `training_center_mass.npz`: center-mass of the finished network on its training images (Table 9).

    Args:
        most: number of images, spread evenly over the list; 0 for all. The others as for `write_test_set`.
    """
    device = find_devices(gpus)[0]
    trained = TrainedRun(folder, device)
    images = trained.config.images
    dataset = _read_images(trained, data, images.train_split, images.train_images)
    total = len(dataset.records)
    chosen = np.unique(np.linspace(0, total - 1, min(most or total, total)).round().astype(int))
    criterion, center_mass = Criterion(trained.config), {}
    with tqdm(total=len(chosen), desc="training images", **BAR) as progress:
        for image_id, batch in _single_images(trained, dataset, device, workers, set(chosen.tolist())):
            with signals_deferred():
                output = trained.detector(batch.images, batch.sizes)
                center_mass[image_id] = measure_center_mass(criterion, output, batch)
            progress.update()
    _write_center_mass(trained.run.training_center_mass, center_mass)
    print(f"{trained.run.training_center_mass}: {len(chosen):,} of {total:,} training images")


def draw_pictures(paths: list[Path], folder: Path, out: Path | None, gpus: str | None) -> None:
    """Draws the detections and relations in image files to `<out>/<name>.png`, and prints the detections.

    Raises:
        UserError: the run is not finished, an image does not exist, or a picture would overwrite an image or another
            picture; then nothing is drawn. Or an image is damaged; then the images before it are drawn.
    """
    pictures = _pictures(paths, out or folder / "pictures")
    device = find_devices(gpus)[0]
    trained = TrainedRun(folder, device)
    for picture, path in pictures.items():
        pixels = read_pixels(path)
        image, scale = make_image(pixels, trained.config.images)  # [3, H, W]
        arrays = (nd.array(values, ctx=device) for values in (image[None], [image.shape[1:]], [scale]))
        _, found, proposals = predict_image(trained, *arrays)
        draw_detections(pixels, found, trained.classes, proposals, picture, threshold=SHOWN)
        print(f"{picture}: {_describe(found, trained.classes)}", flush=True)


def _pictures(paths: list[Path], out: Path) -> dict[Path, Path]:
    """Picture in the folder `out` -> image file."""
    pictures: dict[Path, Path] = {}
    for path in paths:
        picture = out / f"{path.stem}.png"
        if not path.is_file():
            raise UserError(f"{path}: no such image file; name image files, or none for the test images")
        if (other := pictures.setdefault(picture, path)) != path:
            raise UserError(f"{path}: its picture would overwrite that of {other}, {picture}; draw one at a time")
        if picture.exists() and picture.samefile(path):
            raise UserError(f"{path}: its picture would overwrite the image; use another --out folder")
    return pictures


def _describe(found: Detections, classes: tuple[str, ...]) -> str:
    sure = found.scores > SHOWN
    labels, scores = found.labels[sure], found.scores[sure]
    named = [f"{classes[label]} {score:.2f}" for label, score in zip(labels, scores, strict=True)]
    return ", ".join(named) or f"nothing with a score above {SHOWN}"


def _single_images(
    trained: TrainedRun, dataset: ImageDataset, device: mx.Context, workers: int, chosen: Container[int] | None = None
) -> Iterator[tuple[str, Batch]]:
    """Yields the id of each image, or of each image with a `chosen` index, and a batch of this image."""
    records = dataset.records
    order = [views for views in test_order(records, batch_size=1) if chosen is None or views[0].index in chosen]
    for views, batch in load_batches(records, trained.config.images, order, workers):
        (on_device,) = batch.split([device])
        yield records[views[0].index].id, on_device


def _read_images(trained: TrainedRun, data: Path, split: str, count: int) -> ImageDataset:
    dataset = read_images(trained.config.dataset, data, split, count, subset=trained.config.images.subset)
    if dataset.classes != trained.classes:
        raise UserError(
            f"{data}: its categories differ from those that {trained.run.path} was trained on; use the same --data"
        )
    return dataset


def _write_center_mass(path: Path, of_images: dict[str, CenterMass]) -> None:
    network, uniform = np.array(list(of_images.values()), np.float32).reshape(-1, 2).T
    write_arrays(path, ids=np.array(list(of_images)), center_mass=network, uniform=uniform)
