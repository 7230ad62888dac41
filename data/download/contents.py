"""Counts what a data set holds, so that a copy from anywhere can be told whole or not.

Each check is given a data root, returns one phrase that says what was counted, and raises `UserError` when
something is missing.
"""

import csv
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from tqdm import tqdm

from data.common.errors import UserError
from data.common.files import read_json, read_text
from data.text import yahoo as yahoo_reader
from data.text.newsgroups import POSTS as NEWSGROUPS_POSTS

REMEDY = "this copy is not whole, get another one"

YAHOO_ROWS = yahoo_reader.ROWS
VOC07_IMAGES = {"trainval": 5_011, "test": 4_952}
COCO_VAL2014_IMAGES = 40_504
COCO_MINIVAL_IMAGES = 5_000
VISUAL_GENOME_IMAGES = 108_077
VISUAL_GENOME_NAMES = {"idx_to_label": 150, "idx_to_predicate": 50}
MIT67_IMAGES = {"TrainImages.txt": 5_360, "TestImages.txt": 1_340}
MIT67_CATEGORIES = 67


def newsgroups(root: Path) -> str:
    """20 Newsgroups: the posts of each split."""
    for folder, posts in NEWSGROUPS_POSTS.items():
        found = sum(len(_names(group.path)) for group in os.scandir(_folder(root / folder)) if group.is_dir())
        _expect(root / folder, found, posts, "posts")
    return _sum(NEWSGROUPS_POSTS) + " posts"


def yahoo(root: Path) -> str:
    """Yahoo! Answers: the rows of both files, each of four fields (streamed, some 20 s)."""
    folder = _folder(root / yahoo_reader.FOLDER)
    classes = folder / yahoo_reader.CLASSES_FILE
    _expect(classes, len(_lines(classes)), yahoo_reader.CLASSES, "classes")
    for name, rows in YAHOO_ROWS.items():
        _expect(folder / name, _count_rows(folder / name, yahoo_reader.FIELDS), rows, "rows")
    return _sum(YAHOO_ROWS) + " rows"


def nltk(root: Path) -> str:
    """NLTK: the files that the English sentence tokenizer and the tagger read."""
    punkt = root / "nltk_data/tokenizers/punkt_tab/english"
    for name in ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt"):
        read_text(punkt / name, "table of punkt_tab", REMEDY)
    tagger = root / "nltk_data/taggers/averaged_perceptron_tagger_eng"
    for table in ("weights", "tagdict", "classes"):
        read_json(tagger / f"{tagger.name}.{table}.json", "table of the tagger", REMEDY)
    return "English sentence tokenizer and tagger"


def voc07(root: Path) -> str:
    """VOC 2007: the images of both lists, each with its annotation."""
    folder = _folder(root / "VOCdevkit/VOC2007")
    images, annotations = _names(folder / "JPEGImages"), _names(folder / "Annotations")
    for split, count in VOC07_IMAGES.items():
        path = folder / "ImageSets/Main" / f"{split}.txt"
        ids = _lines(path)
        _expect(path, len(ids), count, "images")
        _expect_all(folder / "JPEGImages", (f"{name}.jpg" for name in ids), images)
        _expect_all(folder / "Annotations", (f"{name}.xml" for name in ids), annotations)
    return _sum(VOC07_IMAGES) + " images, each with its annotation"


def coco(root: Path) -> str:
    """COCO: the annotated images of val2014, and those of val2017 (minival) among them."""
    folder = _folder(root / "coco")
    files = _names(folder / "val2014")
    val2014 = _coco_images(folder / "annotations/instances_val2014.json", COCO_VAL2014_IMAGES)
    minival = _coco_images(folder / "annotations/instances_val2017.json", COCO_MINIVAL_IMAGES)
    _expect_all(folder / "val2014", val2014.values(), files)
    _expect_all(folder / "annotations/instances_val2014.json", map(str, minival), set(map(str, val2014)))
    return f"{len(val2014):,} images of val2014, the {len(minival):,} of minival among them"


def visual_genome(root: Path) -> str:
    """Visual Genome: an image for each row of image_data.json, the names, and scene graphs not cut off."""
    folder = _folder(root / "visual_genome")
    rows = read_json(folder / "image_data.json", "list of images", REMEDY)
    _expect(folder / "image_data.json", len(rows), VISUAL_GENOME_IMAGES, "images")
    files = _names(folder / "VG_100K") | _names(folder / "VG_100K_2")
    _expect_all(folder, (f"{row['image_id']}.jpg" for row in rows), files)
    names = read_json(folder / "VG-SGG-dicts.json", "list of names", REMEDY)
    for key, count in VISUAL_GENOME_NAMES.items():
        _expect(folder / "VG-SGG-dicts.json", len(names.get(key, ())), count, f"names in {key}")
    _expect_whole_hdf5(folder / "VG-SGG.h5")
    labels, predicates = VISUAL_GENOME_NAMES.values()
    return f"{len(rows):,} images, {labels} object classes, {predicates} predicates, scene graphs"


def mit67(root: Path) -> str:
    """MIT67: the images of both lists."""
    folder = _folder(root / "mit67")
    categories = sorted(entry.name for entry in os.scandir(_folder(folder / "Images")) if entry.is_dir())
    _expect(folder / "Images", len(categories), MIT67_CATEGORIES, "categories")
    files = {f"{category}/{name}" for category in categories for name in _names(folder / "Images" / category)}
    for name, count in MIT67_IMAGES.items():
        listed = _lines(folder / name)
        _expect(folder / name, len(listed), count, "images")
        _expect_all(folder / "Images", listed, files)
    return _sum(MIT67_IMAGES) + f" images of {len(categories)} categories"


def _sum(counts: dict[str, int]) -> str:
    """The counts as a sum that is not added up: `11,314 + 7,532`."""
    return " + ".join(f"{count:,}" for count in counts.values())


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; {REMEDY}")
    return path


def _names(path: str | Path) -> set[str]:
    """Names of what lies in a folder, without hidden files."""
    return {name for name in os.listdir(_folder(Path(path))) if not name.startswith(".")}


def _lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty, without the white space around them."""
    lines = (line.strip() for line in read_text(path, "list", REMEDY).splitlines())
    return [line for line in lines if line]


def _expect(path: Path, found: int, expected: int, what: str) -> None:
    if found != expected:
        raise UserError(f"{path}: {found:,} {what} where {expected:,} are expected; {REMEDY}")


def _expect_all(path: Path, wanted: Iterable[str], found: Collection[str]) -> None:
    missing = sorted(set(wanted).difference(found))
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise UserError(f"{path}: {len(missing):,} are missing: {shown}; {REMEDY}")


def _count_rows(path: Path, fields: int) -> int:
    """Counts the rows of a CSV file without holding it; one that has not `fields` fields is refused."""
    csv.field_size_limit(sys.maxsize)  # answers outgrow csv's default limit
    rows = 0
    try:
        with path.open(encoding="utf-8", newline="") as file, _progress(path) as progress:
            for rows, row in enumerate(csv.reader(_watched(file, progress), strict=True), start=1):
                if len(row) != fields:
                    raise UserError(f"{path}: row {rows:,} has {len(row)} fields where {fields} are expected; {REMEDY}")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {REMEDY}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: after row {rows:,}: {error}; {REMEDY}") from None
    return rows


def _progress(path: Path) -> tqdm:
    return tqdm(total=path.stat().st_size, desc=f"counting {path.name}", unit="B", unit_scale=True, leave=False)


def _watched(lines: Iterable[str], progress: tqdm) -> Iterable[str]:
    for line in lines:
        progress.update(len(line))
        yield line


def _coco_images(path: Path, expected: int) -> dict[int, str]:
    """Image id to file name of a COCO annotation file."""
    images = read_json(path, "COCO annotations", REMEDY).get("images", [])
    _expect(path, len(images), expected, "images")
    return {image["id"]: image["file_name"] for image in images}


def _expect_whole_hdf5(path: Path) -> None:
    """Refuses what is no HDF5 file, or one shorter than its own header says.

    Byte 8 is the version of the superblock; where that is 0, the size of the file stands at byte 40 (HDF5
    file format specification, II.A). Later versions keep it elsewhere; only their signature is checked.
    """
    try:
        with path.open("rb") as file:
            header = file.read(48)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {REMEDY}") from None
    if not header.startswith(b"\x89HDF\r\n\x1a\n") or len(header) < 48:
        raise UserError(f"{path}: no HDF5 file; {REMEDY}")
    size = int.from_bytes(header[40:48], "little")
    if header[8] == 0 and path.stat().st_size < size:
        raise UserError(f"{path}: {path.stat().st_size:,} bytes where its header says {size:,}; {REMEDY}")
