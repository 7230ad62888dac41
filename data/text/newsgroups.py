"""20 Newsgroups, by-date split: `20news-bydate-{train,test}/<group>/<number>`, posts in Latin-1.

Reads the unpacked folders or the archive `20news-bydate.tar.gz`.
"""

import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from data.common.errors import UserError
from data.records import Corpus, Document, Documents
from data.text.recipe import TextRecipe

ARCHIVE = "20news-bydate.tar.gz"
TRAIN, TEST = "20news-bydate-train", "20news-bydate-test"
GET = "get it with: scripts/get_data.sh 20news --data {root}, or the miniature with: python -m data.mini --out {root}"
REPORTED_GROUPS = 3

# Number of training and test posts of each group in the official data set.
OFFICIAL = {
    "alt.atheism": (480, 319),
    "comp.graphics": (584, 389),
    "comp.os.ms-windows.misc": (591, 394),
    "comp.sys.ibm.pc.hardware": (590, 392),
    "comp.sys.mac.hardware": (578, 385),
    "comp.windows.x": (593, 395),
    "misc.forsale": (585, 390),
    "rec.autos": (594, 396),
    "rec.motorcycles": (598, 398),
    "rec.sport.baseball": (597, 397),
    "rec.sport.hockey": (600, 399),
    "sci.crypt": (595, 396),
    "sci.electronics": (591, 393),
    "sci.med": (594, 396),
    "sci.space": (593, 394),
    "soc.religion.christian": (599, 398),
    "talk.politics.guns": (546, 364),
    "talk.politics.mideast": (564, 376),
    "talk.politics.misc": (465, 310),
    "talk.religion.misc": (377, 251),
}

# Official size of each split.
POSTS = {split: sum(counts[column] for counts in OFFICIAL.values()) for column, split in enumerate((TRAIN, TEST))}

# Lines that are quoted or introduce a quotation, as in scikit-learn's `fetch_20newsgroups(remove="quotes")`.
QUOTE = re.compile(r"writes in|writes:|wrote:|says:|said:|^In article|^Quoted from|^\||^>")


def files(root: Path) -> list[Path]:
    """The files of the data set below `root`; caches depend on their names, sizes and times."""
    if (root / TRAIN).is_dir():
        return sorted(path for split in (TRAIN, TEST) for path in (root / split).glob("*/*"))
    if (root / ARCHIVE).is_file():
        return [root / ARCHIVE]
    raise UserError(f"{root}: contains neither {TRAIN}/ nor {ARCHIVE}; {GET.format(root=root)}")


def read(root: Path, recipe: TextRecipe) -> Corpus:
    """Reads the data set below `root`.

    Raises:
        UserError: it is missing or damaged, or does not have the number of documents in the recipe.
    """
    posts = _posts_in_folders(root) if (root / TRAIN).is_dir() else _posts_in_archive(root / ARCHIVE)
    expected = {TRAIN: recipe.train_documents, TEST: recipe.test_documents}
    _check_counts(root, posts, expected)
    classes = tuple(sorted({group for _, group, _ in posts}))
    splits = {
        split: Documents(expected[split], partial(_documents, posts, split, classes, recipe)) for split in expected
    }
    return Corpus(classes, splits[TRAIN], splits[TEST])


def strip(post: str, headers: bool, footers: bool, quotes: bool) -> str:
    """Removes parts of a post by the rules of scikit-learn's `fetch_20newsgroups(remove=…)`.

    Headers end at the first empty line; the footer follows the last empty or dashed line, unless it is the whole post;
    quoted lines, those that match `QUOTE`, are removed last.

    >>> strip("Subject: skates\\n\\n> Is he quick?\\nYes.\\n\\nAnn", headers=True, footers=True, quotes=True)
    'Yes.'
    """
    if headers:
        post = post.partition("\n\n")[2]
    if footers:
        post = _without_footer(post)
    if quotes:
        post = "\n".join(line for line in post.split("\n") if not QUOTE.search(line))
    return post


def _without_footer(post: str) -> str:
    lines = post.strip().split("\n")
    breaks = [number for number, line in enumerate(lines) if not line.strip().strip("-")]
    return "\n".join(lines[: breaks[-1]]) if breaks and breaks[-1] > 0 else post


# (split, group, number) -> the post, or the path of its file
Posts = dict[tuple[str, str, str], bytes | Path]


def _posts_in_folders(root: Path) -> Posts:
    return {path.parts[-3:]: path for path in files(root) if _is_post(path)}


def _posts_in_archive(archive: Path) -> Posts:
    """Reads all posts (35 MB) into memory."""
    posts: Posts = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                path = archive / member.name
                if member.isfile() and _is_post(path):
                    posts[path.parts[-3:]] = tar.extractfile(member).read()
            while tar.fileobj.read(1 << 20):
                pass  # Reads up to the checksum at the end of the file.
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"{archive}: damaged archive ({error}); {GET.format(root=archive.parent)}") from None
    return posts


def _is_post(path: Path) -> bool:
    """Whether a file is `<split>/<group>/<number>`; hidden files are ignored."""
    if path.parent.parent.name not in (TRAIN, TEST) or path.name.startswith("."):
        return False
    if not path.name.isdecimal():
        raise UserError(f"{path}: not a post, because its name is not a number; remove it")
    return True


def _documents(posts: Posts, split: str, classes: tuple[str, ...], recipe: TextRecipe) -> Iterator[Document]:
    """Yields the posts of a split by group and article number, which increases with the date."""
    keys = sorted((key for key in posts if key[0] == split), key=lambda key: (key[1], int(key[2])))
    for key in keys:
        _, group, number = key
        post = posts[key].read_bytes() if isinstance(posts[key], Path) else posts[key]
        text = post.decode("latin-1").replace("\r\n", "\n")
        text = strip(text, recipe.strip_headers, recipe.strip_footers, recipe.strip_quotes)
        yield Document(f"{group}/{number}", classes.index(group), text)


def _check_counts(root: Path, posts: Posts, expected: dict[str, int]) -> None:
    found = Counter((split, group) for split, group, _ in posts)
    for column, split in enumerate((TRAIN, TEST)):
        total = sum(count for (of, _), count in found.items() if of == split)
        wrong = [
            f"{group} {found[split, group]} of {counts[column]}"
            for group, counts in OFFICIAL.items()
            if expected[split] == POSTS[split] and found[split, group] != counts[column]
        ]
        if total == expected[split] and not wrong:
            continue
        more = ", …" if len(wrong) > REPORTED_GROUPS else ""
        detail = f" ({', '.join(wrong[:REPORTED_GROUPS])}{more})" if wrong else ""
        raise UserError(
            f"{root}: {split} has {total:,} documents, expected {expected[split]:,}{detail}; {GET.format(root=root)}"
        )
