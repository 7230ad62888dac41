"""Verifies that a data set is complete by counting its contents, independently of where the copy comes from.

Each check takes the data folder, returns a phrase with the counts, and raises `UserError` if anything is missing.
"""

import csv
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from data.common.errors import UserError
from data.common.files import lines_with_progress, read_json, read_text
from data.images import datasets, mit67, visual_genome, voc
from data.text import newsgroups, yahoo

REMEDY = "this copy is incomplete, get another one"

# Folders and files below the data folder.
PUNKT = "nltk_data/tokenizers/punkt_tab"
TAGGER = "nltk_data/taggers/averaged_perceptron_tagger_eng"
VAL2014 = f"{datasets.COCO}/val2014"
VAL2014_ANNOTATIONS = f"{datasets.COCO}/annotations/instances_val2014.json"
MINIVAL_ANNOTATIONS = f"{datasets.COCO}/annotations/{datasets.MINIVAL_FILES[0]}"

VOC07_IMAGES = {"trainval": 5_011, "test": 4_952}
COCO_VAL2014_IMAGES = 40_504
COCO_MINIVAL_IMAGES = 5_000
VISUAL_GENOME_IMAGES = 108_077
VISUAL_GENOME_NAMES = {"idx_to_label": 150, "idx_to_predicate": 50}
MIT67_IMAGES = {mit67.LISTS["train"]: 5_360, mit67.LISTS["test"]: 1_340}
MIT67_CLASSES = 67


def check_newsgroups(root: Path) -> str:
    """Counts the posts of each split of 20 Newsgroups."""
    for folder, posts in newsgroups.POSTS.items():
        found = sum(len(_names(group.path)) for group in os.scandir(_folder(root / folder)) if group.is_dir())
        _expect(root / folder, found, posts, "posts")
    return _sum(newsgroups.POSTS) + " posts"


def check_yahoo(root: Path) -> str:
    """Counts the rows of both files of Yahoo! Answers, which takes about 20 s, and the fields of each row."""
    folder = _folder(root / yahoo.FOLDER)
    classes = folder / yahoo.CLASSES_FILE
    _expect(classes, len(_lines(classes)), yahoo.CLASSES, "classes")
    for name, rows in yahoo.ROWS.items():
        _expect(folder / name, _count_rows(folder / name, yahoo.FIELDS), rows, "rows")
    return _sum(yahoo.ROWS) + " rows"


def check_nltk(root: Path) -> str:
    """Checks the tables of NLTK's English sentence tokenizer and tagger."""
    for name in ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt"):
        read_text(root / PUNKT / "english" / name, "table of punkt_tab", REMEDY)
    tagger = root / TAGGER
    for table in ("weights", "tagdict", "classes"):
        read_json(tagger / f"{tagger.name}.{table}.json", "table of the tagger", REMEDY)
    return "English sentence tokenizer and tagger"


def check_voc07(root: Path) -> str:
    """Counts the images of both lists of VOC 2007; each must exist and have an annotation."""
    folder = _folder(root / voc.FOLDER)
    images, annotations = _names(folder / "JPEGImages"), _names(folder / "Annotations")
    for split, count in VOC07_IMAGES.items():
        path = folder / "ImageSets/Main" / f"{split}.txt"
        ids = _lines(path)
        _expect(path, len(ids), count, "images")
        _expect_all(folder / "JPEGImages", (f"{name}.jpg" for name in ids), images)
        _expect_all(folder / "Annotations", (f"{name}.xml" for name in ids), annotations)
    return _sum(VOC07_IMAGES) + " images, each with its annotation"


def check_coco(root: Path) -> str:
    """Counts the annotated images of COCO val2014 and those of minival, which must all be in val2014."""
    files = _names(root / VAL2014)
    val2014 = _coco_images(root / VAL2014_ANNOTATIONS, COCO_VAL2014_IMAGES)
    minival = _coco_images(root / MINIVAL_ANNOTATIONS, COCO_MINIVAL_IMAGES)
    _expect_all(root / VAL2014, val2014.values(), files)
    _expect_all(root / VAL2014_ANNOTATIONS, map(str, minival), set(map(str, val2014)))
    return f"{len(val2014):,} images of val2014, the {len(minival):,} of minival among them"


def check_visual_genome(root: Path) -> str:
    """Counts the images and names of Visual Genome, and checks that the file of scene graphs is not truncated."""
    folder = _folder(root / visual_genome.FOLDER)
    rows = read_json(folder / visual_genome.IMAGE_LIST, "list of images", REMEDY)
    _expect(folder / visual_genome.IMAGE_LIST, len(rows), VISUAL_GENOME_IMAGES, "images")
    files = set().union(*(_names(folder / name) for name in visual_genome.IMAGE_FOLDERS))
    _expect_all(folder, (f"{row['image_id']}.jpg" for row in rows), files)
    names = read_json(folder / visual_genome.NAMES, "list of names", REMEDY)
    for key, count in VISUAL_GENOME_NAMES.items():
        _expect(folder / visual_genome.NAMES, len(names.get(key, ())), count, f"names in {key}")
    _expect_whole_hdf5(folder / visual_genome.GRAPHS)
    labels, predicates = VISUAL_GENOME_NAMES.values()
    return f"{len(rows):,} images, {labels} object classes, {predicates} predicates, scene graphs"


def check_mit67(root: Path) -> str:
    """Counts the images of both lists of MIT67, which must all exist, and the classes."""
    folder = _folder(root / mit67.FOLDER)
    images = _folder(folder / mit67.IMAGES)
    classes = sorted(entry.name for entry in os.scandir(images) if entry.is_dir())
    _expect(images, len(classes), MIT67_CLASSES, "categories")
    files = {f"{name}/{file}" for name in classes for file in _names(images / name)}
    for name, count in MIT67_IMAGES.items():
        listed = _lines(folder / name)
        _expect(folder / name, len(listed), count, "images")
        _expect_all(images, listed, files)
    return _sum(MIT67_IMAGES) + f" images of {len(classes)} categories"


def _sum(counts: dict[str, int]) -> str:
    """Returns the counts as an unevaluated sum.

    >>> _sum({"train": 11_314, "test": 7_532})
    '11,314 + 7,532'
    """
    return " + ".join(f"{count:,}" for count in counts.values())


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; {REMEDY}")
    return path


def _names(path: str | Path) -> set[str]:
    """Returns the names of all entries of a folder except hidden ones."""
    return {name for name in os.listdir(_folder(Path(path))) if not name.startswith(".")}


def _lines(path: Path) -> list[str]:
    """Returns the non-empty lines of a text file, stripped."""
    lines = (line.strip() for line in read_text(path, "list", REMEDY).splitlines())
    return [line for line in lines if line]


def _expect(path: Path, found: int, expected: int, what: str) -> None:
    if found != expected:
        raise UserError(f"{path}: has {found:,} {what}, expected {expected:,}; {REMEDY}")


def _expect_all(path: Path, wanted: Iterable[str], found: Collection[str]) -> None:
    missing = sorted(set(wanted).difference(found))
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise UserError(f"{path}: {len(missing):,} missing: {shown}; {REMEDY}")


def _count_rows(path: Path, fields: int) -> int:
    """Counts the rows of a CSV file without loading it; every row must have the given number of fields."""
    csv.field_size_limit(sys.maxsize)  # Answers exceed csv's default.
    rows = 0
    try:
        lines = lines_with_progress(path, f"counting {path.name}", newline="")
        for rows, row in enumerate(csv.reader(lines, strict=True), start=1):
            if len(row) != fields:
                raise UserError(f"{path}: row {rows:,} has {len(row)} fields, expected {fields}; {REMEDY}")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {REMEDY}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: malformed after row {rows:,} ({error}); {REMEDY}") from None
    return rows


def _coco_images(path: Path, expected: int) -> dict[int, str]:
    """Returns image id -> file name of a COCO annotation file."""
    images = read_json(path, "COCO annotations", REMEDY).get("images", [])
    _expect(path, len(images), expected, "images")
    return {image["id"]: image["file_name"] for image in images}


def _expect_whole_hdf5(path: Path) -> None:
    """Refuses files that are not HDF5 or are shorter than their header says.

    Byte 8 is the version of the superblock; in version 0, bytes 40 to 47 are the size of the file (HDF5 file format
    specification, II.A). Of later versions, only the signature is checked.
    """
    try:
        with path.open("rb") as file:
            header = file.read(48)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {REMEDY}") from None
    if not header.startswith(b"\x89HDF\r\n\x1a\n") or len(header) < 48:
        raise UserError(f"{path}: not an HDF5 file; {REMEDY}")
    size = int.from_bytes(header[40:48], "little")
    if header[8] == 0 and path.stat().st_size < size:
        raise UserError(f"{path}: has {path.stat().st_size:,} bytes, expected {size:,} (its header); {REMEDY}")
