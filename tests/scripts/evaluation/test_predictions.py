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


def test_coco_results_become_corner_boxes_of_images_and_labels(dataset, tmp_path):
    text = GOOD | {"image_id": "7", "category_id": "3", "segmentation": []}
    found = read_detections(write_detections(tmp_path, [GOOD, text]), dataset)
    assert found.images.tolist() == [1, 0]
    assert found.labels.tolist() == [1, 0]
    assert found.boxes.tolist() == [[1, 2, 10.5, 21]] * 2  # the last pixels belong to the box
    assert found.scores.tolist() == [0.75, 0.75]


def test_a_file_without_detections_is_legal(dataset, tmp_path):
    found = read_detections(write_detections(tmp_path, []), dataset)
    assert [column.shape for column in found] == [(0,), (0,), (0, 4), (0,)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", "detection file is not valid JSON"),
        ({"annotations": []}, "must hold a list of detections"),
        ([GOOD, 7], "detection 2: it has no bbox"),
        ([GOOD, [0.5]], "detection 2: it has no bbox"),
        ([{"image_id": 8, "category_id": 5, "bbox": [1, 2, 3, 4]}], "detection 1: it has no score"),
        ([{"category_id": 5, "bbox": [1, 2, 3, 4], "score": 1}, GOOD], "detection 1: it has no image_id"),
        ([GOOD, GOOD | {"image_id": 10}, GOOD | {"image_id": 11}], "2 detections have an unknown image_id, 10 for one"),
        ([GOOD | {"image_id": None}], "1 detections have an unknown image_id, None for one"),
        ([GOOD | {"category_id": 1}], "1 detections have an unknown category_id, 1 for one"),
        ([GOOD, GOOD | {"bbox": [1, 2, 3]}], "bbox must be 4 numbers in every detection"),
        ([GOOD | {"bbox": [1, 2, 3]}], "bbox must be 4 numbers in every detection"),
        ([GOOD | {"bbox": {"x": 1}}], "bbox must be 4 numbers"),
        ([GOOD | {"bbox": [1, 2, "wide", 4]}], "bbox must be 4 numbers"),
        ([GOOD, GOOD | {"bbox": [1, 2, 3, float("inf")]}], "detection 2: its bbox is not finite"),
        ([GOOD, GOOD | {"bbox": [1, 2, -3, 4]}], "detection 2: the width or height of its bbox is negative"),
        ([GOOD | {"score": float("nan")}], "detection 1: its score is not finite"),
        ([GOOD | {"score": [0.5, 0.5]}], "score must be a number in every detection"),
        ([GOOD | {"score": 10**400}], "score must be a number in every detection"),
    ],
)
def test_bad_detections_are_refused(dataset, tmp_path, content, message):
    path = write_detections(tmp_path, content)
    with pytest.raises(UserError, match=message) as refusal:
        read_detections(path, dataset)
    assert str(refusal.value).startswith(f"{path}: ")


def test_absent_detections_are_refused(dataset, tmp_path):
    with pytest.raises(UserError, match="no such detection file"):
        read_detections(tmp_path / "detections.json", dataset)


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
def test_proposals_come_image_by_image(tmp_path, save):
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


def test_a_network_without_pair_weights_has_rois_alone(tmp_path):
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
    ("changes", "message"),
    [
        ({"image_ids": None}, "lacks the array image_ids"),
        ({"pair_offsets": None}, "lacks the array pair_offsets"),
        ({"rois": None}, "does not have the array rois"),
        ({"roi_scores": None}, "does not have the array roi_scores"),
        ({"weights": None}, "does not have the array weights"),
        ({"row_pairs": None}, "does not have the array row_pairs"),
        ({"roi_scores": np.full(5, np.nan)}, "image 9 has boxes or scores that are not finite"),
        ({"row_pairs": np.array([[1, 0], [1, 1], [1, 2], [2, 0], [0, 1]])}, "image 9 pairs a ROI with itself"),
        ({"row_weights": np.array([0.6, 0.8, 0.4, 0.4, 0.3])}, "image 9 has pairs that are not in the order"),
        ({"image_ids": np.array(["9", "7", "9"])}, "a list without repetition"),
        ({"image_ids": np.array([["9", "7", "8"]])}, "a list without repetition"),
        ({"image_ids": np.array(["9", "7", "10"])}, "holds 1 images that the data set does not, 10 for one"),
        (
            {
                "image_ids": np.array(["9", "7"]),
                "roi_offsets": np.array([0, 2, 5]),
                "pair_offsets": np.array([0, 2, 5]),
            },
            "lacks 1 of the data set's 3 images, 8 for one",
        ),
        ({"roi_offsets": np.array([0, 2, 5])}, "offsets of rois do not cut its 5 rows into 3 images"),
        ({"roi_offsets": np.array([0, 2, 2, 6])}, "offsets of rois"),
        ({"roi_offsets": np.array([1, 2, 2, 5])}, "offsets of rois"),
        ({"roi_offsets": np.array([0, 3, 2, 5])}, "offsets of rois"),
        ({"roi_offsets": np.array([0.0, 2, 2, 5])}, "offsets of rois"),
        ({"pair_offsets": np.array([0, 2, 2, 4])}, "offsets of pairs do not cut its 5 rows into 3 images"),
        ({"weights": np.array([0.5, 0.1])}, "offsets of weights do not cut its 2 rows"),
        ({"rois": np.zeros((5, 5))}, r"rois is float64 \[5, 5\]; it must be numbers \['rows', 4\]"),
        ({"rois": np.array(["a"] * 20).reshape(5, 4)}, "rois is <U1"),
        ({"pairs": np.zeros((5, 2))}, r"pairs is float64 \[5, 2\]; it must be whole numbers"),
        ({"weights": np.zeros((5, 1))}, r"weights is float64 \[5, 1\]; it must be numbers \['rows'\]"),
        ({"pairs": np.asfortranarray(arrays()["pairs"])}, "pairs is stored by columns"),
        ({"rois": np.full((5, 4), np.nan)}, "image 9 has boxes or scores that are not finite"),
        ({"pairs": np.array([[0, 2], [1, 0], [2, 0], [0, 1], [1, 2]])}, "image 9 has pairs of ROIs 0 to 2 with 2 ROIs"),
        (
            {"pairs": np.array([[0, 1], [1, 0], [2, -1], [0, 1], [1, 2]])},
            "image 8 has pairs of ROIs -1 to 2 with 3 ROIs",
        ),
        ({"pairs": np.array([[0, 1], [1, 0], [2, 0], [1, 1], [1, 2]])}, "image 8 pairs a ROI with itself"),
        ({"weights": np.array([0.5, 0.1, 0.2, 0.9, 0.1])}, "image 8 has pairs that are not in the order"),
        ({"weights": np.array([0.5, np.nan, 0.9, 0.9, 0.2])}, "image 9 has pairs that are not in the order"),
    ],
)
def test_bad_relations_are_refused(tmp_path, changes, message):
    path = write_relations(tmp_path, **changes)
    with pytest.raises(UserError, match=message) as refusal:
        read_all(path)
    assert str(refusal.value).startswith(f"{path}: ")


def test_fewer_pairs_than_asked_for_are_legal_only_where_there_are_no_more(tmp_path):
    path = write_relations(tmp_path)
    with pytest.raises(UserError, match="image 8 has 3 pairs of its 3 ROIs where recall@4 needs more"):
        read_all(path, pairs_needed=4)


@pytest.mark.parametrize("damage", [lambda content: content[:300], lambda content: b"no archive"])
def test_damaged_and_absent_relations_are_refused(tmp_path, damage):
    path = write_relations(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="relations file is damaged"):
        read_all(path)
    path.unlink()
    with pytest.raises(UserError, match="no such relations file"):
        read_all(path)


def test_relations_with_changed_bytes_are_refused(tmp_path):
    path = write_relations(tmp_path, np.savez)
    content = path.read_bytes()
    weights = arrays()["weights"].tobytes()
    path.write_bytes(content.replace(weights, weights[::-1]))
    with pytest.raises(UserError, match="relations file is damaged"):
        read_all(path)
