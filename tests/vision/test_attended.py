"""Attended regions against NumPy and against detections; their file; the choice of images."""

import dataclasses
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from PIL import Image

from data.common.config import write_config
from data.common.errors import UserError, run_command
from data.common.runs import RunFolder
from data.images.datasets import read_images
from scripts.figures.attended import read_attended
from vision import attended
from vision.attended import choose_images, find_images
from vision.attended_regions import attended_regions, strongest_attention
from vision.checkpoint import TrainedRun, keep_inputs, save
from vision.engine import make_learner
from vision.postprocess import detections
from vision.transforms import make_image

CPU = mx.cpu()


def expected_attention(logits, most):
    """The rows of W_agg in float64, pair by pair."""
    count = len(logits)
    logits = logits.astype(np.float64)
    exponentials = np.exp(logits - logits.max())
    aggregation = [[1 / np.exp(logits[m] - logits[m, n]).sum() for n in range(count)] for m in range(count)]
    rows = []
    for m in range(count):
        best = sorted((n for n in range(count) if n != m), key=lambda n, m=m: -logits[m, n])[:most]
        missing = most - len(best)
        rows.append(([*best, *missing * [-1]], [*(aggregation[m][n] for n in best), *missing * [0]]))
    masses = exponentials.sum(axis=1) / exponentials.sum()
    return masses, [aggregation[m][m] for m in range(count)], [row[0] for row in rows], [row[1] for row in rows]


@pytest.mark.parametrize(("count", "most"), [(9, 4), (5, 4), (4, 4), (2, 3), (1, 2)])
def test_attention_is_the_softmax_of_each_row_best_first(count, most):
    logits = np.random.default_rng(0).normal(0, 3, (count, count)).astype(np.float32)
    for got, expected in zip(strongest_attention(logits, most), expected_attention(logits, most), strict=True):
        np.testing.assert_allclose(got, np.array(expected), rtol=1e-9)


def test_large_weights_do_not_overflow_and_keep_their_order():
    logits = np.array([[0, 1000, 1001], [0, 0, 0], [-1e30, 0, 5]], np.float32)
    with np.errstate(over="raise", invalid="raise"):
        masses, own, best, weights = strongest_attention(logits, 2)
    assert best.tolist() == [[2, 1], [0, 2], [1, 0]]
    np.testing.assert_allclose(weights[0], [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))])
    np.testing.assert_allclose(masses, [1, 0, 0])
    np.testing.assert_allclose(own, [0, 1 / 3, 1 / (1 + np.exp(-5))])


@pytest.fixture(scope="module")
def kept(tiny, data, tmp_path_factory):
    """The files of a finished run, without its training."""
    run = RunFolder(tmp_path_factory.mktemp("runs") / "mini" / "tiny" / "fan-sup" / "seed0")
    run.path.mkdir(parents=True)
    run.config_path.write_text(write_config(tiny))
    keep_inputs(run, read_images("tiny", data, "trainval"))
    learner = make_learner(tiny, 8, [CPU])
    save(run, 2, learner.detector, learner.trainer)
    run.finish("CPU")
    return run.path


@pytest.fixture
def photos(data, tmp_path):
    """A folder of two images, one of them deeper."""
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    source = data / "tiny" / "JPEGImages" / "000001.jpg"
    shutil.copy(source, folder / "b.JPG")
    Image.open(source).rotate(90, expand=True).save(folder / "deeper" / "a.png")
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Runs the command; returns its exit code, what it says, and its file."""

    def run(*options) -> tuple[int, str, str, Path]:
        out = tmp_path / "out.npz"
        monkeypatch.setattr(sys, "argv", ["attended", *map(str, options), "--out", str(out)])
        try:
            run_command(attended.main)
        except SystemExit as exit:
            return exit.code, *capsys.readouterr(), out
        return 0, *capsys.readouterr(), out

    return run


def test_regions_are_real_rois_with_the_scores_of_detections(kept, photos):
    trained = TrainedRun(kept, CPU)
    image, scale = make_image(np.asarray(Image.open(photos / "b.JPG")), trained.config.images)
    size, scale = nd.array([image.shape[1:]]), nd.array([scale])
    output = trained.detector(nd.array(image[None]), size)
    count = int(output.mask.sum().asscalar()) - 3
    output = output._replace(mask=nd.concat(output.mask[:, :count], nd.zeros((1, output.mask.shape[1] - count))))
    config = dataclasses.replace(trained.config.detection, score_threshold=0.0, most=10_000)
    regions = attended_regions(output, size, scale, config, most=5)
    assert regions.boxes.shape == (count, 4) and regions.attended.shape == (count, 5)
    assert regions.attended.max() < count
    np.testing.assert_allclose(regions.rois * scale.asscalar(), output.rois[0, :count].asnumpy(), rtol=1e-5)

    (found,) = detections(output, size, scale, config)
    scores = defaultdict(list)  # several ROIs may be regressed to the same box
    for box, score, label in zip(*(column.tolist() for column in found), strict=True):
        scores[(*box, label)].append(score)
    for box, label, score in zip(regions.boxes.tolist(), regions.labels.tolist(), regions.scores, strict=True):
        assert np.isclose(scores[(*box, label)], score, rtol=1e-5, atol=0).any()
    assert (regions.scores <= regions.probabilities).all()
    logits = output.relations[0, :count, :count].asnumpy()
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(regions.weights, expected_attention(logits, 5)[3], rtol=1e-5, atol=1e-12)


def test_the_figures_can_read_the_file(kept, photos, call):
    code, said, error, out = call(kept, photos, "--most", 7)
    assert (code, error) == (0, "")
    file = read_attended(out)
    assert said == f"{out}: 2 images, {sum(len(each.boxes) for each in file.regions)} regions, 0 files skipped\n"
    assert file.run == "mini/tiny/fan-sup/seed0" and file.variant == "fan-sup" and len(file.classes) == 8
    assert file.images == (photos / "b.JPG", photos / "deeper" / "a.png")
    assert file.sizes.tolist() == [list(Image.open(path).size) for path in file.images]
    for regions, (width, height) in zip(file.regions, file.sizes, strict=True):
        assert len(regions.boxes) > 10 and regions.weights.shape[1] == 7
        assert (regions.boxes <= [width, height, width, height]).all()
        assert (np.diff(regions.weights, axis=1) <= 0).all()
        assert (regions.weights.sum(axis=1) + regions.self_weights <= 1 + 1e-5).all()
        np.testing.assert_allclose(regions.row_masses.sum(), 1, rtol=1e-5)


def test_the_default_images_are_those_of_the_test_split(kept, data, call):
    code, _, _, out = call(kept, "--data", data, "--count", 1)
    assert code == 0
    assert [path.parent for path in read_attended(out).images] == [data / "tiny" / "JPEGImages"]


def test_unreadable_images_in_a_folder_are_reported_and_skipped(kept, photos, call):
    cut = photos / "cut.jpg"
    cut.write_bytes((photos / "b.JPG").read_bytes()[:300])
    code, said, error, out = call(kept, photos)
    assert code == 0 and "2 images" in said and "1 files skipped" in said
    assert error.startswith(f"skipped: {cut}: ") and error.count("\n") == 1
    assert [f"skipped: {line}\n" for line in read_attended(out).left_out] == [error]


def test_places_without_a_readable_image_get_one_line(kept, photos, tmp_path, call):
    cut, empty, bad = photos / "cut.jpg", tmp_path / "empty", tmp_path / "bad"
    empty.mkdir()
    bad.mkdir()
    cut.write_bytes(b"no image")
    (bad / "a.jpg").write_bytes(b"no image")
    for places, named in [
        ([photos, cut], cut),
        ([photos / "absent.jpg"], photos / "absent.jpg"),
        ([empty], empty),
        ([bad], bad / "a.jpg"),
    ]:
        code, _, error, out = call(kept, *places)
        assert code == 2 and error.splitlines()[-1].startswith(f"error: {named}: ")
        assert not out.exists()


def test_unfinished_or_unsuitable_runs_get_one_line(kept, tiny, photos, tmp_path, call):
    folder = tmp_path / "seed0"
    assert "not a run folder" in call(folder, photos)[2]
    shutil.copytree(kept, folder)
    model = dataclasses.replace(tiny.model, focused_attention=False)
    loss = dataclasses.replace(tiny.relation_loss, weight=0.0)
    base = dataclasses.replace(tiny, variant="base", model=model, relation_loss=loss)
    (folder / "config.yaml").write_text(write_config(base))
    code, _, error, _ = call(folder, photos)
    assert code == 2 and error.startswith(f"error: {folder}: its network has no pair weights")
    assert json.loads((folder / "run.json").read_text())
    (folder / "run.json").unlink()
    assert "its training has not ended" in call(folder, photos)[2]


# --- which images ----------------------------------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path):
    for name in ("b.jpg", "a/z.PNG", "a/c/d.webp", "a/notes.txt", "empty/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def test_folders_are_searched_without_duplicates(places):
    found = find_images([places / "b.jpg", places, places / "a", places / "a" / "notes.txt"])
    names = [str(path.relative_to(places)) for path in found]
    assert names == ["b.jpg", "a/c/d.webp", "a/z.PNG", "a/notes.txt"]


def test_images_with_two_categories_are_chosen(tiny, data):
    found = choose_images(tiny, data, 10)
    assert len(found) == 2  # of three; one shows no relation between categories
    assert choose_images(tiny, data, 1) == found[:1]


def test_runs_of_minicoco_use_test_scenes_if_they_exist(tiny, tmp_path):
    names = [f"{scene}/{number}.jpg" for scene in ("bar", "cave") for number in range(2)]
    for name in names:
        path = tmp_path / "mit67" / "Images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    for split in ("Train", "Test"):
        (tmp_path / "mit67" / f"{split}Images.txt").write_text("\n".join(names))
    minicoco = dataclasses.replace(tiny, dataset="minicoco")
    folder = tmp_path / "mit67" / "Images"
    assert choose_images(minicoco, tmp_path, 2) == [folder / "bar" / "0.jpg", folder / "cave" / "0.jpg"]
    with pytest.raises(UserError, match="tiny"):  # other runs use their own images
        choose_images(tiny, tmp_path, 2)
    with pytest.raises(UserError, match="coco"):
        choose_images(minicoco, Path("nowhere"), 2)
