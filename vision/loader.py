"""The batches of an epoch: which images stand in each, and their reading ahead of the network."""

from collections.abc import Callable, Iterator, Sequence
from threading import TIMEOUT_MAX
from typing import Any, NamedTuple

import mxnet as mx
import numpy as np
from mxnet import gluon, nd
from mxnet.ndarray import NDArray

from data.records import ImageRecord
from vision.config import ImagesConfig
from vision.detection_targets import learned_relations
from vision.transforms import Sample, make_sample


class View(NamedTuple):
    """One appearance of an image in an epoch: the index of its record, and whether it is mirrored."""

    index: int
    flipped: bool


class Batch(NamedTuple):
    """What a step consumes: B images with at most G objects and R annotated relations each, all float32 on one device.

    Args:
        images: [B, 3, H, W], padded with 0 below and at the right.
        sizes: [B, 2] height and width of each image without padding.
        boxes: [B, G, 4] corners in pixels of `images`; at least one column, of padding where no image has an object.
        labels: [B, G] classes from 0, -1 for padding.
        scales: [B] by which the sides of the originals were multiplied.
        relations: [B, R, 2] rows of `boxes`, subject then object, -1 for padding; at least one row.
    """

    images: NDArray
    sizes: NDArray
    boxes: NDArray
    labels: NDArray
    scales: NDArray
    relations: NDArray

    def split(self, contexts: list[mx.Context]) -> list["Batch"]:
        """Divides the images among devices, a part each; with fewer images than devices, the last get none."""
        contexts = contexts[: len(self.images)]
        parts = (gluon.utils.split_and_load(array, contexts, even_split=False) for array in self)
        return [Batch(*part) for part in zip(*parts, strict=True)]


def training_order(
    records: Sequence[ImageRecord], images: ImagesConfig, batch_size: int, seed: int, epoch: int
) -> list[list[View]]:
    """The batches of an epoch, drawn from seed and epoch: every image once, and once mirrored with `flipped_copies`.

    Portraits stand apart from the others, so that little is padded; the last batch of either may be smaller.
    """
    generator = np.random.default_rng([seed, epoch])
    mirrored = (False, True) if images.flipped_copies else (False,)
    views = [View(index, flipped) for flipped in mirrored for index in range(len(records))]
    batches = []
    for group in _by_orientation(views, records):
        batches += _cut(_shuffled(group, generator), batch_size)
    return _shuffled(batches, generator)


def test_order(records: Sequence[ImageRecord], batch_size: int) -> list[list[View]]:
    """Batches of every image once, portraits after the others, each kind in the order of the records."""
    views = [View(index, flipped=False) for index in range(len(records))]
    return [batch for group in _by_orientation(views, records) for batch in _cut(group, batch_size)]


def load_batches(
    records: Sequence[ImageRecord], images: ImagesConfig, order: list[list[View]], workers: int
) -> Iterator[tuple[list[View], Batch]]:
    """Yields the batches of an order on the CPU, each with what stands in it.

    Args:
        records: what the views of `order` index.
        images: how large the network sees them.
        workers: threads that read ahead, two batches each; 0 for none.

    Raises:
        UserError: an image is absent or damaged, or has another size than its annotation says.
    """
    samples = _Samples(records, images)
    for views, arrays in zip(order, read_ahead(samples, order, _stack, workers), strict=True):
        yield views, Batch(*map(nd.array, arrays))


def read_ahead(
    samples: Any, order: list[list[View]], stack: Callable[[list[Any]], Any], workers: int
) -> gluon.data.DataLoader:
    """Yields what `stack` makes of the samples of each batch.

    Args:
        samples: gives the sample of a view as `samples[view]`.
        order: the views of each batch.
        stack: takes the samples of a batch.
        workers: threads that read ahead, two batches each; 0 for none.
    """
    # Threads, not processes: decoding, scaling and NumPy let go of Python's lock, so two of them are quicker than two
    # processes, which must copy every batch; nor can they be killed singly, outlive this one, or fork MXNet's threads.
    # They leave MXNet alone, and no batch is ever too late: disks may be slow.
    return gluon.data.DataLoader(
        samples,
        batch_sampler=order,
        batchify_fn=stack,
        num_workers=workers,
        thread_pool=True,
        timeout=TIMEOUT_MAX,
    )


class _Samples:
    """What Gluon takes as a data set: the sample of each view, and the relations [R, 2] of its objects."""

    def __init__(self, records: Sequence[ImageRecord], images: ImagesConfig):
        self._records, self._images = records, images

    def __getitem__(self, view: View) -> tuple[Sample, np.ndarray]:
        record = self._records[view.index]
        return make_sample(record, self._images, view.flipped), learned_relations(record)


def _stack(views: list[tuple[Sample, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """The fields of a `Batch` of samples and their relations."""
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
    """The landscapes and squares, and the portraits."""
    groups: tuple[list[View], list[View]] = [], []
    is_portrait = [record.height > record.width for record in records]  # Each is asked once: they may lie on disk.
    for view in views:
        groups[is_portrait[view.index]].append(view)
    return groups


def _cut(views: list[View], size: int) -> list[list[View]]:
    return [views[start : start + size] for start in range(0, len(views), size)]


def _shuffled(items: list, generator: np.random.Generator) -> list:
    return [items[place] for place in generator.permutation(len(items))]
