import csv
import json

import pytest

from data.common.errors import UserError
from data.download import contents


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def newsgroups(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "NEWSGROUPS_POSTS", {"20news-bydate-train": 3, "20news-bydate-test": 2})
    for post in (
        "train/sci.med/1",
        "train/sci.med/2",
        "train/rec.autos/3",
        "test/sci.med/4",
        "test/rec.autos/5",
    ):
        write(tmp_path / f"20news-bydate-{post}")
    return tmp_path


@pytest.fixture
def yahoo(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "YAHOO_ROWS", {"train.csv": 20, "test.csv": 10})
    for name, rows in contents.YAHOO_ROWS.items():
        path = write(tmp_path / "yahoo_answers_csv" / name)
        with path.open("w", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerows([row % 10 + 1, 'a "title"', "", "an answer\\nof two lines"] for row in range(rows))
    write(tmp_path / "yahoo_answers_csv/classes.txt", "\n".join(f"class {number}" for number in range(10)))
    return tmp_path


@pytest.fixture
def voc07(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "VOC07_IMAGES", {"trainval": 2, "test": 1})
    folder = tmp_path / "VOCdevkit/VOC2007"
    write(folder / "ImageSets/Main/trainval.txt", "000001\n000003\n")
    write(folder / "ImageSets/Main/test.txt", "000002\n")
    for number in (1, 2, 3):
        write(folder / f"JPEGImages/00000{number}.jpg")
        write(folder / f"Annotations/00000{number}.xml")
    return tmp_path


@pytest.fixture
def coco(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "COCO_VAL2014_IMAGES", 2)
    monkeypatch.setattr(contents, "COCO_MINIVAL_IMAGES", 1)
    for number in (7, 8):
        write(tmp_path / f"coco/val2014/COCO_{number}.jpg")
    for name, ids in (("instances_val2014", (7, 8)), ("instances_val2017", (8,))):
        images = [{"id": number, "file_name": f"COCO_{number}.jpg"} for number in ids]
        write(tmp_path / f"coco/annotations/{name}.json", json.dumps({"images": images}))
    return tmp_path


@pytest.fixture
def visual_genome(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py", reason="h5py writes the scene graphs")
    monkeypatch.setattr(contents, "VISUAL_GENOME_IMAGES", 2)
    monkeypatch.setattr(contents, "VISUAL_GENOME_NAMES", {"idx_to_label": 2, "idx_to_predicate": 1})
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
    monkeypatch.setattr(contents, "MIT67_IMAGES", {"TrainImages.txt": 2, "TestImages.txt": 1})
    monkeypatch.setattr(contents, "MIT67_CATEGORIES", 2)
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


@pytest.mark.parametrize(
    "name, phrase",
    [
        ("newsgroups", "3 + 2 posts"),
        ("yahoo", "20 + 10 rows"),
        ("nltk", "English sentence tokenizer and tagger"),
        ("voc07", "2 + 1 images, each with its annotation"),
        ("coco", "2 images of val2014, the 1 of minival among them"),
        ("visual_genome", "2 images, 2 object classes, 1 predicates, scene graphs"),
        ("mit67", "2 + 1 images of 2 categories"),
    ],
)
def test_whole_data_set_is_counted(request, name, phrase):
    assert getattr(contents, name)(request.getfixturevalue(name)) == phrase


@pytest.mark.parametrize(
    "name, removed, message",
    [
        ("newsgroups", "20news-bydate-train/sci.med/1", "20news-bydate-train: 2 posts where 3 are expected"),
        ("yahoo", "yahoo_answers_csv/test.csv", "test.csv: no such file"),
        ("yahoo", "yahoo_answers_csv/classes.txt", "classes.txt: no such list"),
        (
            "nltk",
            "nltk_data/tokenizers/punkt_tab/english/collocations.tab",
            "collocations.tab: no such table",
        ),
        ("voc07", "VOCdevkit/VOC2007/Annotations/000003.xml", "Annotations: 1 are missing: 000003.xml"),
        ("voc07", "VOCdevkit/VOC2007/JPEGImages/000002.jpg", "JPEGImages: 1 are missing: 000002.jpg"),
        ("coco", "coco/val2014/COCO_7.jpg", "val2014: 1 are missing: COCO_7.jpg"),
        ("visual_genome", "visual_genome/VG_100K_2/2.jpg", "1 are missing: 2.jpg"),
        ("visual_genome", "visual_genome/VG-SGG.h5", "VG-SGG.h5: no such file"),
        ("mit67", "mit67/Images/bar/a b.jpg", "Images: 1 are missing: bar/a b.jpg"),
    ],
)
def test_missing_file_is_named(request, name, removed, message):
    root = request.getfixturevalue(name)
    (root / removed).unlink()
    with pytest.raises(UserError, match=message):
        getattr(contents, name)(root)


def test_absent_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="20news-bydate-train: no such folder"):
        contents.newsgroups(tmp_path)


def test_hidden_files_are_not_counted_as_posts(newsgroups):
    write(newsgroups / "20news-bydate-train/sci.med/.DS_Store")
    assert contents.newsgroups(newsgroups) == "3 + 2 posts"


def test_missing_rows_are_counted(yahoo):
    path = yahoo / "yahoo_answers_csv/train.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match="train.csv: 19 rows where 20 are expected"):
        contents.yahoo(yahoo)


@pytest.mark.parametrize(
    "row, message",
    [
        ('"1","title","question"\n', "row 21 has 3 fields where 4 are expected"),
        ('"1","title","question","answer', "after row 20: unexpected end of data"),
    ],
)
def test_malformed_row_is_numbered(yahoo, row, message):
    with (yahoo / "yahoo_answers_csv/train.csv").open("a") as file:
        file.write(row)
    with pytest.raises(UserError, match=message):
        contents.yahoo(yahoo)


def test_fields_beyond_the_default_limit_of_csv_are_counted(yahoo):
    path = yahoo / "yahoo_answers_csv/train.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + '"1","t","q","' + "x" * 200_000 + '"\n')
    assert contents.yahoo(yahoo) == "20 + 10 rows"


def test_minival_that_is_not_part_of_val2014_is_refused(coco):
    images = [{"id": 9, "file_name": "COCO_9.jpg"}]
    write(coco / "coco/annotations/instances_val2017.json", json.dumps({"images": images}))
    with pytest.raises(UserError, match="1 are missing: 9"):
        contents.coco(coco)


def test_cut_off_scene_graphs_are_refused(visual_genome):
    path = visual_genome / "visual_genome/VG-SGG.h5"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="VG-SGG.h5: .* bytes where its header says"):
        contents.visual_genome(visual_genome)


def test_scene_graphs_that_are_no_hdf5_file_are_refused(visual_genome):
    (visual_genome / "visual_genome/VG-SGG.h5").write_text("<html>")
    with pytest.raises(UserError, match="VG-SGG.h5: no HDF5 file"):
        contents.visual_genome(visual_genome)
