"""The order of an epoch, and its batches, on small image files."""

import threading
import time
from collections import Counter
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from PIL import Image

from data.common.errors import UserError
from data.records import ImageRecord
from vision.config import ImagesConfig
from vision.loader import Batch, View, load_batches, training_order
from vision.loader import test_order as order_of_test  # under a name that pytest does not take for a test
from vision.transforms import make_sample

SIZES = [(12, 8), (8, 12), (9, 9), (16, 8), (8, 16), (12, 10), (10, 12), (12, 8)]  # width, height
PORTRAITS = {1, 4, 6}


def config(flipped_copies: bool = True) -> ImagesConfig:
    return ImagesConfig("train", 8, "test", 8, short_side=16, long_side=24, flipped_copies=flipped_copies)


def record(number: int, path: Path, size: tuple[int, int], objects: int, relations=None, **marks) -> ImageRecord:
    boxes = np.array([[k, 0, k + 2, 5] for k in range(objects)], np.float32).reshape(-1, 4)
    marked = [np.isin(np.arange(objects), marks.get(name, [])) for name in ("difficult", "crowd")]
    relations = None if relations is None else np.array(relations, np.int64).reshape(-1, 2)
    return ImageRecord(str(number), path, *size, boxes, np.arange(objects), *marked, relations)


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> list[ImageRecord]:
    """Noise images of `SIZES`; the k-th has k % 3 objects."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    records = []
    for number, (width, height) in enumerate(SIZES):
        path = folder / f"{number}.png"
        Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        records.append(record(number, path, (width, height), number % 3))
    return records


def loaded(records, order, workers=0) -> list[tuple[list[View], Batch]]:
    return list(load_batches(records, config(), order, workers))


def other_threads_end(before: int) -> bool:
    """Whether the number of threads soon falls to `before`."""
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    return threading.active_count() <= before


# --- orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flipped_copies", [False, True])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_an_epoch_contains_every_view_once(records, flipped_copies, batch_size):
    order = training_order(records, config(flipped_copies), batch_size, seed=0, epoch=1)
    expected = {View(index, flipped) for index in range(8) for flipped in {False, flipped_copies}}

    assert Counter(view for batch in order for view in batch) == Counter(expected)
    assert all(1 <= len(batch) <= batch_size for batch in order)


def test_batches_have_one_orientation_and_are_full(records):
    order = training_order(records, config(), 4, seed=0, epoch=1)

    portraits = [{view.index in PORTRAITS for view in batch} for batch in order]
    assert all(len(kinds) == 1 for kinds in portraits)
    assert sorted(map(len, order)) == [2, 2, 4, 4, 4]  # six portraits and ten others


def test_the_order_depends_on_seed_and_epoch(records):
    def order(seed, epoch):
        return training_order(records, config(), 2, seed, epoch)

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2) and order(1, 1) != order(2, 1)
    mixed = [[view.index in PORTRAITS for view in batch][0] for batch in order(1, 1)]
    assert mixed not in (sorted(mixed), sorted(mixed, reverse=True))  # batches are shuffled as well


def test_a_test_contains_every_image_once_portraits_last(records):
    order = order_of_test(records, 2)

    assert [[view.index for view in batch] for batch in order] == [[0, 2], [3, 5], [7], [1, 4], [6]]
    assert not any(view.flipped for batch in order for view in batch)


# --- batches --------------------------------------------------------------------------------------------------------


def test_images_and_objects_are_padded(records):
    views = [View(5, False), View(3, True), View(0, False)]  # two objects, none, none
    [(shown, batch)] = loaded(records, [views])
    samples = [make_sample(records[view.index], config(), view.flipped) for view in views]

    assert shown == views
    assert batch.images.shape == (3, 3, 16, 24) and batch.sizes.asnumpy().tolist() == [[16, 19], [12, 24], [16, 24]]
    images = batch.images.asnumpy()
    for image, sample in zip(images, samples, strict=True):
        _, height, width = sample.image.shape
        assert (image[:, :height, :width] == sample.image).all()
        assert not image[:, height:].any() and not image[:, :, width:].any()
    assert batch.boxes.asnumpy()[0].tolist() == samples[0].boxes.tolist()
    assert not batch.boxes.asnumpy()[1:].any()
    assert batch.labels.asnumpy().tolist() == [[0, 1], [-1, -1], [-1, -1]]
    np.testing.assert_allclose(batch.scales.asnumpy(), [1.6, 1.5, 2])
    assert {(array.dtype, array.context) for array in batch} == {(np.float32, mx.cpu())}


def test_relations_are_rows_of_the_learned_objects(records):
    path, size = records[0].path, SIZES[0]
    annotated = [
        record(0, path, size, 5, [[4, 0], [0, 1], [2, 4], [3, 2], [1, 3]], difficult=[1], crowd=[3]),
        record(1, path, size, 3, [[2, 0]]),
        record(2, path, size, 3, []),
        record(3, path, size, 3),
    ]
    [(_, batch)] = loaded(annotated, [[View(0, False), View(1, True), View(2, False), View(3, False)]])
    nothing = [[-1, -1], [-1, -1]]

    # Objects 0, 2 and 4 are learned and become rows 0 to 2. A mirror image has the relations of its original.
    assert batch.relations.asnumpy().tolist() == [[[2, 0], [1, 2]], [[2, 0], [-1, -1]], nothing, nothing]
    assert batch.labels.asnumpy()[0].tolist() == [0, 2, 4]


def test_a_batch_without_objects_has_one_row_of_padding(records):
    for views in ([View(0, False)], [View(2, False), View(5, True)]):
        [(_, batch)] = loaded(records, [views])
        assert batch.relations.asnumpy().tolist() == [[[-1, -1]]] * len(views)
    [(_, batch)] = loaded(records, [[View(0, False)]])
    assert batch.boxes.shape == (1, 1, 4) and batch.labels.asnumpy().tolist() == [[-1]]


def test_workers_change_nothing(records):
    order = training_order(records, config(), 2, seed=0, epoch=1)
    alone, helped = loaded(records, order), loaded(records, order, workers=2)

    assert [views for views, _ in alone] == [views for views, _ in helped] == order
    for (_, batch), (_, other) in zip(alone, helped, strict=True):
        assert all((a.asnumpy() == b.asnumpy()).all() for a, b in zip(batch, other, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_image_is_named_and_workers_end(records, tmp_path, workers):
    before = threading.active_count()
    bad = tmp_path / "bad.png"
    bad.write_bytes(records[0].path.read_bytes()[:-60])
    batches = load_batches(
        [*records, record(8, bad, SIZES[0], 1)], config(), [[View(n, False)] for n in (0, 8)], workers
    )

    assert next(batches)[0] == [View(0, False)]
    with pytest.raises(UserError, match=f"^{bad}: image cannot be read"):
        next(batches)
    assert other_threads_end(before)


def test_workers_end_with_the_epoch_or_its_interruption(records):
    before = threading.active_count()
    for _ in range(3):
        loaded(records, order_of_test(records, 2), workers=2)
        batches = load_batches(records, config(), order_of_test(records, 1), workers=2)
        next(batches)
        assert threading.active_count() > before
        batches.close()
    assert other_threads_end(before)


# --- devices --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("images", "parts"), [(4, [2, 2]), (3, [2, 1]), (1, [1])])
def test_a_batch_is_divided_among_devices(images, parts):
    contexts = [mx.cpu(0), mx.cpu(1)]
    arrays = [nd.arange(images * size).reshape((images, *shape)) for size, shape in ((12, (3, 2, 2)), (2, (2,)))]
    relations = nd.arange(images * 6).reshape((images, 3, 2))
    batch = Batch(*arrays, nd.zeros((images, 5, 4)), nd.zeros((images, 5)), nd.arange(images), relations)
    divided = batch.split(contexts)

    assert [len(part.images) for part in divided] == parts
    for context, part in zip(contexts, divided, strict=False):
        assert all(array.context == context for array in part)
    for name in Batch._fields:
        joined = np.concatenate([getattr(part, name).asnumpy() for part in divided])
        assert (joined == getattr(batch, name).asnumpy()).all()
