import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from data.common.errors import UserError
from scripts.evaluation.predictions import read_detections, read_relations

GOOD = {"image_id": 8, "category_id": 5, "bbox": [1, 2, 10.5, 20], "score": 0.75}
IDS = ["7", "8", "9"]


@pytest.fixture
def dataset(make_dataset):
    return make_dataset({name: [] for name in IDS})


# --- detections.json ------------------------------------------------------------------------------------------------


def write_detections(folder: Path, content) -> Path:
    path = folder / "detections.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_coco_results_become_corner_boxes(dataset, tmp_path):
    text = GOOD | {"image_id": "7", "category_id": "3", "segmentation": []}
    found = read_detections(write_detections(tmp_path, [GOOD, text]), dataset)
    assert found.images.tolist() == [1, 0]
    assert found.labels.tolist() == [1, 0]
    assert found.boxes.tolist() == [[1, 2, 10.5, 21]] * 2  # the last pixels belong to the box
    assert found.scores.tolist() == [0.75, 0.75]


def test_a_file_may_have_no_detections(dataset, tmp_path):
    found = read_detections(write_detections(tmp_path, []), dataset)
    assert [column.shape for column in found] == [(0,), (0,), (0, 4), (0,)]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[{", "JSON"),
        ({"annotations": []}, "list"),
        ([GOOD, 7], "detection 2: bbox"),
        ([GOOD, [0.5]], "detection 2: bbox"),
        ([{"image_id": 8, "category_id": 5, "bbox": [1, 2, 3, 4]}], "detection 1: score"),
        ([{"category_id": 5, "bbox": [1, 2, 3, 4], "score": 1}, GOOD], "detection 1: image_id"),
        ([GOOD, GOOD | {"image_id": 10}, GOOD | {"image_id": 11}], "2 detections .* image_id, .* 10"),
        ([GOOD | {"image_id": None}], "1 detections .* image_id, .* None"),
        ([GOOD | {"category_id": 1}], "1 detections .* category_id, .* 1"),
        ([GOOD, GOOD | {"bbox": [1, 2, 3]}], "bbox"),
        ([GOOD | {"bbox": {"x": 1}}], "bbox"),
        ([GOOD | {"bbox": [1, 2, "wide", 4]}], "bbox"),
        ([GOOD, GOOD | {"bbox": [1, 2, 3, float("inf")]}], "detection 2: bbox"),
        ([GOOD, GOOD | {"bbox": [1, 2, -3, 4]}], "detection 2: bbox"),
        ([GOOD | {"score": float("nan")}], "detection 1: score"),
        ([GOOD | {"score": [0.5, 0.5]}], "score"),
        ([GOOD | {"score": 10**400}], "score"),
    ],
)
def test_invalid_detections_are_refused(dataset, tmp_path, content, named):
    path = write_detections(tmp_path, content)
    with pytest.raises(UserError, match=f"^{path}: .*{named}"):
        read_detections(path, dataset)


# --- relations.npz --------------------------------------------------------------------------------------------------


def arrays(**changes) -> dict[str, np.ndarray]:
    """Image 9 has two ROIs and both their pairs, image 7 nothing, image 8 three ROIs and three of their six pairs."""
    rois = np.arange(20, dtype=np.float32).reshape(5, 4)
    return {
        "image_ids": np.array(["9", "7", "8"]),
        "roi_offsets": np.array([0, 2, 2, 5]),
        "rois": rois,
        "roi_scores": np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32),
        "roi_labels": np.array([3, 0, 1, 1, 2], np.uint16),
        "pair_offsets": np.array([0, 2, 2, 5]),
        "pairs": np.array([[0, 1], [1, 0], [2, 0], [0, 1], [1, 2]], np.uint16),
        "weights": np.array([0.5, 0.1, 0.9, 0.9, 0.2], np.float32),
        "row_pairs": np.array([[1, 0], [0, 1], [1, 2], [2, 0], [0, 1]], np.uint16),
        "row_weights": np.array([0.8, 0.6, 0.4, 0.4, 0.3], np.float32),
    } | changes


def write_relations(folder: Path, save=np.savez_compressed, **changes) -> Path:
    path = folder / "relations.npz"
    save(path, **{name: values for name, values in arrays(**changes).items() if values is not None})
    return path


def read_all(path: Path, pairs_needed: int = 3) -> dict:
    return dict(read_relations(path, IDS, pairs_needed))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_proposals_are_read_image_by_image(tmp_path, save):
    found = read_all(write_relations(tmp_path, save))
    assert list(found) == ["9", "7", "8"]
    assert found["9"].rois.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert (found["9"].scores.tolist(), found["9"].labels.tolist()) == (pytest.approx([0.9, 0.8]), [3, 0])
    assert found["9"].by_matrix.pairs.tolist() == [[0, 1], [1, 0]]
    seventh = found["7"]
    assert (seventh.rois.shape, seventh.by_row.pairs.shape, seventh.by_row.weights.shape) == ((0, 4), (0, 2), (0,))
    eighth = found["8"]
    assert eighth.rois.tolist() == [[8, 9, 10, 11], [12, 13, 14, 15], [16, 17, 18, 19]]
    assert eighth.by_matrix.pairs.tolist() == [[2, 0], [0, 1], [1, 2]]
    assert eighth.by_matrix.weights.tolist() == pytest.approx([0.9, 0.9, 0.2])
    assert eighth.by_row.pairs.tolist() == [[1, 2], [2, 0], [0, 1]]
    assert eighth.by_row.weights.tolist() == pytest.approx([0.4, 0.4, 0.3])


def test_a_network_without_pair_weights_has_rois_only(tmp_path):
    without = dict.fromkeys(["pair_offsets", "pairs", "weights", "row_pairs", "row_weights"])
    found = read_all(write_relations(tmp_path, **without), pairs_needed=5000)
    assert found["8"].labels.tolist() == [1, 1, 2]
    assert all(proposals.by_matrix is None and proposals.by_row is None for proposals in found.values())


def test_memory_does_not_grow_with_the_file(tmp_path):
    images, rois, pairs = 200, 20, 380
    path = tmp_path / "relations.npz"
    ranked = np.tile(np.argwhere(~np.eye(rois, dtype=bool)), (images, 1))
    np.savez_compressed(
        path,
        image_ids=np.arange(images).astype(str),
        roi_offsets=np.arange(images + 1) * rois,
        rois=np.zeros((images * rois, 4)),
        roi_scores=np.zeros(images * rois),
        roi_labels=np.zeros(images * rois, int),
        pair_offsets=np.arange(images + 1) * pairs,
        pairs=ranked,
        weights=np.zeros(images * pairs),
        row_pairs=ranked,
        row_weights=np.zeros(images * pairs),
    )
    read = read_relations(path, [str(name) for name in range(images)], pairs)
    next(read)
    tracemalloc.start()
    assert sum(len(proposals.by_matrix.pairs) for _, proposals in read) == (images - 1) * pairs
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400_000  # bytes; the pairs alone are 2,432,000


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"image_ids": None}, "image_ids"),
        ({"pair_offsets": None}, "pair_offsets"),
        ({"rois": None}, "rois"),
        ({"roi_scores": None}, "roi_scores"),
        ({"weights": None}, "weights"),
        ({"row_pairs": None}, "row_pairs"),
        ({"roi_scores": np.full(5, np.nan)}, "image 9"),
        ({"rois": np.full((5, 4), np.nan)}, "image 9"),
        ({"row_pairs": np.array([[1, 0], [1, 1], [1, 2], [2, 0], [0, 1]])}, "image 9"),
        ({"row_weights": np.array([0.6, 0.8, 0.4, 0.4, 0.3])}, "image 9"),
        ({"image_ids": np.array(["9", "7", "9"])}, "image_ids"),
        ({"image_ids": np.array([["9", "7", "8"]])}, "image_ids"),
        ({"image_ids": np.array(["9", "7", "10"])}, "1 images .* 10"),
        ({"image_ids": np.array(["9", "7"]), **{f"{x}_offsets": np.array([0, 2, 5]) for x in ("roi", "pair")}}, " 8"),
        ({"roi_offsets": np.array([0, 2, 5])}, "offsets of rois"),
        ({"roi_offsets": np.array([0, 2, 2, 6])}, "offsets of rois"),
        ({"roi_offsets": np.array([1, 2, 2, 5])}, "offsets of rois"),
        ({"roi_offsets": np.array([0, 3, 2, 5])}, "offsets of rois"),
        ({"roi_offsets": np.array([0.0, 2, 2, 5])}, "offsets of rois"),
        ({"pair_offsets": np.array([0, 2, 2, 4])}, "offsets of pairs"),
        ({"weights": np.array([0.5, 0.1])}, "offsets of weights"),
        ({"rois": np.zeros((5, 5))}, r"rois .*\[5, 5\]"),
        ({"rois": np.array(["a"] * 20).reshape(5, 4)}, "rois .*<U1"),
        ({"pairs": np.zeros((5, 2))}, "pairs .*float64"),
        ({"weights": np.zeros((5, 1))}, r"weights .*\[5, 1\]"),
        ({"pairs": np.asfortranarray(arrays()["pairs"])}, "pairs"),
        ({"pairs": np.array([[0, 2], [1, 0], [2, 0], [0, 1], [1, 2]])}, "image 9"),
        ({"pairs": np.array([[0, 1], [1, 0], [2, -1], [0, 1], [1, 2]])}, "image 8"),
        ({"pairs": np.array([[0, 1], [1, 0], [2, 0], [1, 1], [1, 2]])}, "image 8"),
        ({"weights": np.array([0.5, 0.1, 0.2, 0.9, 0.1])}, "image 8"),
        ({"weights": np.array([0.5, np.nan, 0.9, 0.9, 0.2])}, "image 9"),
    ],
)
def test_invalid_relations_are_refused(tmp_path, changes, named):
    path = write_relations(tmp_path, **changes)
    with pytest.raises(UserError, match=f"^{path}: .*{named}"):
        read_all(path)


def test_a_ranking_may_be_shorter_than_k_only_if_complete(tmp_path):
    path = write_relations(tmp_path)  # image 9 has two pairs of two ROIs, which are all; image 8 has three of six
    with pytest.raises(UserError, match="image 8 .*--pairs 4"):
        read_all(path, pairs_needed=4)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:300],
        lambda content: b"no archive",
        lambda content: content.replace(arrays()["weights"].tobytes(), arrays()["weights"][::-1].tobytes()),
    ],
)
def test_damaged_relations_are_refused(tmp_path, damage):
    path = write_relations(tmp_path, np.savez)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=f"^{path}: .*damaged"):
        read_all(path)


@pytest.mark.parametrize("read", [lambda path: read_detections(path, None), read_all])
def test_missing_files_are_named(tmp_path, read):
    with pytest.raises(UserError, match=f"^{tmp_path}/absent: "):
        read(tmp_path / "absent")
