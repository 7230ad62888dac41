"""The batches of an epoch: which images are in each, and reading them ahead of the network."""

from collections.abc import Callable, Iterator, Sequence
from threading import TIMEOUT_MAX
from typing import Any, NamedTuple

import mxnet as mx
import numpy as np
from mxnet import gluon, nd
from mxnet.ndarray import NDArray

from data.records import ImageRecord
from vision.config import ImagesConfig
from vision.targets import learned_relations
from vision.transforms import Sample, make_sample


class View(NamedTuple):
    """An image as it appears in an epoch: the index of its record, and whether it is mirrored."""

    index: int
    flipped: bool


class Batch(NamedTuple):
    """The input of a step: B images with up to G objects and R annotated relations each, float32 on one device.

    Args:
        images: [B, 3, H, W], padded with 0 at the bottom and right.
        sizes: [B, 2] height and width of each image without padding.
        boxes: [B, G, 4] corners in pixels of `images`; G is at least 1.
        labels: [B, G] classes from 0, -1 for padding.
        scales: [B] size of each image relative to the original.
        relations: [B, R, 2] rows of `boxes`, subject then object, -1 for padding; R is at least 1.
    """

    images: NDArray
    sizes: NDArray
    boxes: NDArray
    labels: NDArray
    scales: NDArray
    relations: NDArray

    def split(self, contexts: list[mx.Context]) -> list["Batch"]:
        """Divides the images among devices. With fewer images than devices, the last devices get none."""
        contexts = contexts[: len(self.images)]
        parts = (gluon.utils.split_and_load(array, contexts, even_split=False) for array in self)
        return [Batch(*part) for part in zip(*parts, strict=True)]


def training_order(
    records: Sequence[ImageRecord], images: ImagesConfig, batch_size: int, seed: int, epoch: int
) -> list[list[View]]:
    """The batches of an epoch, shuffled by seed and epoch: every image once, and with `flipped_copies` once mirrored.

    Portraits have their own batches, to keep padding small. The last batch of each orientation may be smaller.
    """
    generator = np.random.default_rng([seed, epoch])
    mirrored = (False, True) if images.flipped_copies else (False,)
    views = [View(index, flipped) for flipped in mirrored for index in range(len(records))]
    batches = []
    for group in _by_orientation(views, records):
        batches += _cut(_shuffled(group, generator), batch_size)
    return _shuffled(batches, generator)


def test_order(records: Sequence[ImageRecord], batch_size: int) -> list[list[View]]:
    """Batches with every image once: first landscapes, then portraits, each in the order of the records."""
    views = [View(index, flipped=False) for index in range(len(records))]
    return [batch for group in _by_orientation(views, records) for batch in _cut(group, batch_size)]


def load_batches(
    records: Sequence[ImageRecord], images: ImagesConfig, order: list[list[View]], workers: int
) -> Iterator[tuple[list[View], Batch]]:
    """Yields each list of views in `order` and its batch, on the CPU.

    Args:
        records: the records that views refer to.
        images: the size that images are scaled to.
        workers: threads that read ahead, two batches each; 0 for none.

    Raises:
        UserError: an image is missing or damaged, or its size differs from its annotation.
    """
    samples = _Samples(records, images)
    for views, arrays in zip(order, read_ahead(samples, order, _stack, workers), strict=True):
        yield views, Batch(*map(nd.array, arrays))


def read_ahead(
    samples: Any, order: list[list[View]], stack: Callable[[list[Any]], Any], workers: int
) -> gluon.data.DataLoader:
    """Yields `stack(samples of the batch)` for each batch.

    Args:
        samples: dataset with the sample of a view at `samples[view]`.
        order: the views of each batch.
        stack: makes a batch from a list of samples.
        workers: threads that read ahead, two batches each; 0 for none.
    """
    # Threads instead of processes: decoding, scaling and NumPy release the GIL, so two threads are faster than two
    # processes, which copy every batch. Threads also cannot be killed alone, outlive this process, or fork MXNet's
    # threads. They never call MXNet. The timeout is unlimited because disks may be slow.
    return gluon.data.DataLoader(
        samples,
        batch_sampler=order,
        batchify_fn=stack,
        num_workers=workers,
        thread_pool=True,
        timeout=TIMEOUT_MAX,
    )


class _Samples:
    """A dataset for Gluon: the sample of a view, and the relations [R, 2] of its objects."""

    def __init__(self, records: Sequence[ImageRecord], images: ImagesConfig):
        self._records, self._images = records, images

    def __getitem__(self, view: View) -> tuple[Sample, np.ndarray]:
        record = self._records[view.index]
        return make_sample(record, self._images, view.flipped), learned_relations(record)


def _stack(views: list[tuple[Sample, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """The fields of a `Batch`, from samples and their relations."""
    samples, relations_of_samples = zip(*views, strict=True)
    sizes = np.array([sample.image.shape[1:] for sample in samples], np.float32)
    height, width = sizes.max(axis=0).astype(int)
    objects = max(1, *(len(sample.labels) for sample in samples))
    images = np.zeros((len(samples), 3, height, width), np.float32)
    boxes = np.zeros((len(samples), objects, 4), np.float32)
    labels = np.full((len(samples), objects), -1, np.float32)
    relations = np.full((len(samples), max(1, *map(len, relations_of_samples)), 2), -1, np.float32)
    for row, (sample, of_sample) in enumerate(views):
        _, height, width = sample.image.shape
        images[row, :, :height, :width] = sample.image
        boxes[row, : len(sample.boxes)] = sample.boxes
        labels[row, : len(sample.labels)] = sample.labels
        relations[row, : len(of_sample)] = of_sample
    scales = np.array([sample.scale for sample in samples], np.float32)
    return images, sizes, boxes, labels, scales, relations


def _by_orientation(views: list[View], records: Sequence[ImageRecord]) -> tuple[list[View], list[View]]:
    """Landscapes and squares, and portraits."""
    groups: tuple[list[View], list[View]] = [], []
    is_portrait = [record.height > record.width for record in records]  # once per record, which may be read from disk
    for view in views:
        groups[is_portrait[view.index]].append(view)
    return groups


def _cut(views: list[View], size: int) -> list[list[View]]:
    return [views[start : start + size] for start in range(0, len(views), size)]


def _shuffled(items: list, generator: np.random.Generator) -> list:
    return [items[place] for place in generator.permutation(len(items))]
