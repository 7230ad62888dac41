import csv
import json
import shutil

import pytest

from data.common.errors import UserError
from data.download import verify
from data.text import newsgroups as newsgroups_reader
from data.text import yahoo as yahoo_reader


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def newsgroups(tmp_path, monkeypatch):
    monkeypatch.setattr(newsgroups_reader, "POSTS", {"20news-bydate-train": 3, "20news-bydate-test": 2})
    for post in ("train/sci.med/1", "train/sci.med/2", "train/rec.autos/3", "test/sci.med/4", "test/rec.autos/5"):
        write(tmp_path / f"20news-bydate-{post}")
    write(tmp_path / "20news-bydate-train/sci.med/.DS_Store")  # Hidden files are not counted.
    return tmp_path


@pytest.fixture
def yahoo(tmp_path, monkeypatch):
    monkeypatch.setattr(yahoo_reader, "ROWS", {"train.csv": 20, "test.csv": 10})
    for name, rows in yahoo_reader.ROWS.items():
        path = write(tmp_path / "yahoo_answers_csv" / name)
        with path.open("w", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerows([row % 10 + 1, 'a "title"', "", "an answer\\nof two lines"] for row in range(rows))
    write(tmp_path / "yahoo_answers_csv/classes.txt", "\n".join(f"class {number}" for number in range(10)))
    return tmp_path


@pytest.fixture
def voc07(tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "VOC07_IMAGES", {"trainval": 2, "test": 1})
    folder = tmp_path / "VOCdevkit/VOC2007"
    write(folder / "ImageSets/Main/trainval.txt", "000001\n000003\n")
    write(folder / "ImageSets/Main/test.txt", "000002\n")
    for number in (1, 2, 3):
        write(folder / f"JPEGImages/00000{number}.jpg")
        write(folder / f"Annotations/00000{number}.xml")
    return tmp_path


@pytest.fixture
def coco(tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "COCO_VAL2014_IMAGES", 2)
    monkeypatch.setattr(verify, "COCO_MINIVAL_IMAGES", 1)
    for number in (7, 8):
        write(tmp_path / f"coco/val2014/COCO_{number}.jpg")
    for name, ids in (("instances_val2014", (7, 8)), ("instances_val2017", (8,))):
        images = [{"id": number, "file_name": f"COCO_{number}.jpg"} for number in ids]
        write(tmp_path / f"coco/annotations/{name}.json", json.dumps({"images": images}))
    return tmp_path


@pytest.fixture
def visual_genome(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py", reason="h5py writes the scene graphs")
    monkeypatch.setattr(verify, "VISUAL_GENOME_IMAGES", 2)
    monkeypatch.setattr(verify, "VISUAL_GENOME_NAMES", {"idx_to_label": 2, "idx_to_predicate": 1})
    folder = tmp_path / "visual_genome"
    write(folder / "VG_100K/1.jpg")
    write(folder / "VG_100K_2/2.jpg")
    write(folder / "image_data.json", json.dumps([{"image_id": 1}, {"image_id": 2}]))
    names = {"idx_to_label": {"1": "a", "2": "b"}, "idx_to_predicate": {"1": "on"}}
    write(folder / "VG-SGG-dicts.json", json.dumps(names))
    with h5py.File(folder / "VG-SGG.h5", "w") as file:
        file["labels"] = list(range(1000))
    return tmp_path


@pytest.fixture
def mit67(tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "MIT67_IMAGES", {"TrainImages.txt": 2, "TestImages.txt": 1})
    monkeypatch.setattr(verify, "MIT67_CLASSES", 2)
    for name in ("bar/a b.jpg", "gym/c.jpg", "gym/d.jpg"):
        write(tmp_path / "mit67/Images" / name)
    write(tmp_path / "mit67/TrainImages.txt", "bar/a b.jpg\r\ngym/c.jpg\r\n")
    write(tmp_path / "mit67/TestImages.txt", "gym/d.jpg")
    return tmp_path


@pytest.fixture
def nltk(tmp_path):
    for name in ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt"):
        write(tmp_path / "nltk_data/tokenizers/punkt_tab/english" / name)
    for table in ("weights", "tagdict", "classes"):
        tagger = "averaged_perceptron_tagger_eng"
        write(tmp_path / f"nltk_data/taggers/{tagger}/{tagger}.{table}.json", "{}")
    return tmp_path


@pytest.fixture
def check(request):
    """Runs the check of a data set, made by the fixture of this name, after a change to it."""

    def run(name, change=lambda root: None):
        root = request.getfixturevalue(name)
        change(root)
        return getattr(verify, f"check_{name}")(root)

    return run


@pytest.mark.parametrize(
    "name, counts",
    [
        ("newsgroups", "3 + 2"),
        ("yahoo", "20 + 10"),
        ("nltk", "tokenizer and tagger"),
        ("voc07", "2 + 1"),
        ("coco", "2 images of val2014, the 1 of minival"),
        ("visual_genome", "2 images, 2 object classes, 1 predicates"),
        ("mit67", "2 + 1 images of 2 categories"),
    ],
)
def test_contents_of_a_complete_data_set_are_counted(check, name, counts):
    assert counts in check(name)


@pytest.mark.parametrize(
    "name, removed, message",
    [
        ("newsgroups", "20news-bydate-train/sci.med/1", "20news-bydate-train: .*2 .*3"),
        ("newsgroups", "20news-bydate-test", "20news-bydate-test: "),
        ("yahoo", "yahoo_answers_csv/test.csv", "test.csv"),
        ("yahoo", "yahoo_answers_csv/classes.txt", "classes.txt"),
        ("nltk", "nltk_data/tokenizers/punkt_tab/english/collocations.tab", "collocations.tab"),
        ("voc07", "VOCdevkit/VOC2007/Annotations/000003.xml", "Annotations: 1 .*000003.xml"),
        ("voc07", "VOCdevkit/VOC2007/JPEGImages/000002.jpg", "JPEGImages: 1 .*000002.jpg"),
        ("coco", "coco/val2014/COCO_7.jpg", "val2014: 1 .*COCO_7.jpg"),
        ("visual_genome", "visual_genome/VG_100K_2/2.jpg", "1 .*2.jpg"),
        ("visual_genome", "visual_genome/VG-SGG.h5", "VG-SGG.h5"),
        ("mit67", "mit67/Images/bar/a b.jpg", "Images: 1 .*bar/a b.jpg"),
    ],
)
def test_missing_files_and_folders_are_named(check, name, removed, message):
    def change(root):
        path = root / removed
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    with pytest.raises(UserError, match=message):
        check(name, change)


@pytest.mark.parametrize(
    "rows, added, message",
    [
        (19, "", "train.csv: .*19 .*20"),
        (20, '"1","title","question"\n', "train.csv: row 21 .*3 .*4"),
        (20, '"1","title","question","answer', "train.csv: .*row 20"),
        (19, '"1","t","q","' + "x" * 200_000 + '"\n', None),  # More than csv's default limit of a field.
    ],
)
def test_missing_and_malformed_rows_are_refused(check, rows, added, message):
    def change(root):
        path = root / "yahoo_answers_csv/train.csv"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:rows]) + added)

    if message is None:
        assert "20 + 10" in check("yahoo", change)
    else:
        with pytest.raises(UserError, match=message):
            check("yahoo", change)


def test_minival_images_that_are_not_in_val2014_are_refused(check):
    images = json.dumps({"images": [{"id": 9, "file_name": "COCO_9.jpg"}]})
    with pytest.raises(UserError, match="instances_val2014.json: 1 .*9"):
        check("coco", lambda root: write(root / "coco/annotations/instances_val2017.json", images))


@pytest.mark.parametrize("damage", [lambda content: content[:-100], lambda content: b"<html>"])
def test_damaged_scene_graphs_are_refused(check, damage):
    def change(root):
        path = root / "visual_genome/VG-SGG.h5"
        path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(UserError, match="VG-SGG.h5"):
        check("visual_genome", change)
