"""Predictions of a finished run for the images of its data set, and their files in the run folder."""

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
from data.common.runs import RunFolder
from data.images.datasets import read_images
from data.images.proposals import PAIRS, Proposals, relations_writer
from data.records import ImageDataset
from vision.checkpoint import TrainedRun
from vision.criterion import Criterion
from vision.devices import find_devices, signals_deferred
from vision.loader import Batch, load_batches, test_order
from vision.models.detector import DetectorOutput
from vision.postprocess import Detections, Suppression, detections, detections_writer
from vision.proposals import relationship_proposals

BAR = {"unit": "image", "mininterval": 1, "leave": False}


class CenterMass(NamedTuple):
    """Center-mass of the pair weights of one image, NaN where the annotation has no target pair.

    Args:
        network: of the network's weights W.
        uniform: of weights that are all equal: |T| / N² of the N real ROIs, or the mean of |T_m| / N over the rows m
            with a target in mode "row".
    """

    network: float
    uniform: float


class Prediction(NamedTuple):
    """What is predicted for one image, in pixels of the image file.

    Args:
        image_id: id of its record.
        detections: best first.
        proposals: its ROIs, and their ranked pairs where the network weighs pairs.
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
        image: [1, 3, H, W], as the network takes it.
        size: [1, 2] its height and width.
        scale: [1] by which the original was multiplied.
        pairs: how many pairs of ROIs are ranked; all where there are fewer.
        suppression: how duplicates are removed; see `vision.postprocess.detections`.
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
    """Yields the prediction of one image after the other, landscapes before portraits."""
    criterion = Criterion(trained.config)
    for image_id, batch in _single_images(trained, dataset, device, workers):
        with signals_deferred():
            image = batch.images, batch.sizes, batch.scales
            output, found, proposals = predict_image(trained, *image, pairs, suppression)
            center_mass = None if output.relations is None else measure_center_mass(criterion, output, batch)
        yield Prediction(image_id, found, proposals, center_mass)


def measure_center_mass(criterion: Criterion, output: DetectorOutput, batch: Batch) -> CenterMass:
    """Center-mass of the weights of an image, and of equal weights in their place."""
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
    """Writes `detections.json`, `relations.npz` and, with pair weights, `center_mass.npz` of a run's test images.

    With hard suppression only the detections are written, to `detections.hard_nms.json`.
    """
    device = find_devices(gpus)[0]
    trained = TrainedRun(folder, device)
    images = trained.config.images
    dataset = _read_images(trained, data, images.test_split, images.test_images)
    predictions = predict_images(trained, dataset, device, workers, pairs, suppression)
    if suppression == "hard":
        write_detections(trained.run.hard_detections, dataset, predictions)
        print(f"{trained.run.hard_detections}: {len(dataset.records):,} images")
    else:
        write_predictions(trained.run, dataset, predictions, trained.config.model.has_relations)
        print(f"{trained.run.detections}: {len(dataset.records):,} images")


def write_detections(path: Path, dataset: ImageDataset, predictions: Iterator[Prediction]) -> None:
    """Writes the detections alone."""
    with (
        detections_writer(path, dataset.category_ids) as add,
        _progress(len(dataset.records), "predicting") as progress,
    ):
        for prediction in predictions:
            add(prediction.image_id, prediction.detections)
            progress.update()


def write_predictions(
    run: RunFolder, dataset: ImageDataset, predictions: Iterator[Prediction], has_relations: bool
) -> None:
    """Writes the predictions of a test set as they come, so that memory is flat."""
    center_mass: dict[str, CenterMass] = {}
    with ExitStack() as files:
        add_detections = files.enter_context(detections_writer(run.detections, dataset.category_ids))
        add_proposals = files.enter_context(relations_writer(run.relations, has_relations))
        progress = files.enter_context(_progress(len(dataset.records), "predicting"))
        for prediction in predictions:
            add_detections(prediction.image_id, prediction.detections)
            add_proposals(prediction.image_id, prediction.proposals)
            center_mass[prediction.image_id] = prediction.center_mass
            progress.update()
    if has_relations:
        _write_center_mass(run.center_mass, center_mass)


def write_training_center_mass(folder: Path, data: Path, gpus: str | None, workers: int, most: int) -> None:
    """Writes `training_center_mass.npz`: center-mass of the finished network on its training images (Table 9).

    Args:
        most: how many images, spread evenly over the list; all where there are fewer.
    """
    device = find_devices(gpus)[0]
    trained = TrainedRun(folder, device)
    images = trained.config.images
    dataset = _read_images(trained, data, images.train_split, images.train_images)
    total = len(dataset.records)
    chosen = np.unique(np.linspace(0, total - 1, min(most, total)).round().astype(int))
    criterion, center_mass = Criterion(trained.config), {}
    with _progress(len(chosen), "training images") as progress:
        for image_id, batch in _single_images(trained, dataset, device, workers, set(chosen.tolist())):
            with signals_deferred():
                output = trained.detector(batch.images, batch.sizes)
                center_mass[image_id] = measure_center_mass(criterion, output, batch)
            progress.update()
    _write_center_mass(trained.run.training_center_mass, center_mass)
    print(f"{trained.run.training_center_mass}: {len(chosen):,} of {total:,} training images")


def _single_images(
    trained: TrainedRun, dataset: ImageDataset, device: mx.Context, workers: int, chosen: Container[int] | None = None
) -> Iterator[tuple[str, Batch]]:
    """Yields the id of each image, or of those with a `chosen` index, and the batch of it alone."""
    records = dataset.records
    order = [views for views in test_order(records, batch_size=1) if chosen is None or views[0].index in chosen]
    for views, batch in load_batches(records, trained.config.images, order, workers):
        (on_device,) = batch.split([device])
        yield records[views[0].index].id, on_device


def _read_images(trained: TrainedRun, data: Path, split: str, count: int) -> ImageDataset:
    dataset = read_images(trained.config.dataset, data, split, count, subset=trained.config.images.subset)
    if dataset.classes != trained.classes:
        raise UserError(f"{data}: its categories are not those that {trained.run.path} was trained on; give its --data")
    return dataset


def _progress(images: int, title: str) -> tqdm:
    return tqdm(total=images, desc=title, **BAR)


def _write_center_mass(path: Path, of_images: dict[str, CenterMass]) -> None:
    network, uniform = np.array(list(of_images.values()), np.float32).reshape(-1, 2).T
    write_arrays(path, ids=np.array(list(of_images)), center_mass=network, uniform=uniform)
