import tarfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from data.text.newsgroups import ARCHIVE, TEST, TRAIN
from data.text.recipe import TextRecipe

SHARED = Path(__file__).parents[3] / "shared" / "datasets"


@pytest.fixture
def recipe() -> TextRecipe:
    """A recipe that needs no data files. Tests change it with `dataclasses.replace`."""
    return TextRecipe(
        train_documents=4,
        test_documents=2,
        sample_seed=0,
        holdout=0.0,
        strip_headers=False,
        strip_footers=False,
        strip_quotes=False,
        sentences="punkt-untrained",
        tagger="lexicon",
        max_sentences=15,
        max_words=30,
        min_count=1,
    )


@pytest.fixture
def write_posts(tmp_path) -> Callable[..., Path]:
    """Writes newsgroup posts {"group/number": text} to `tmp_path`, and returns this data folder."""

    def write(train: dict[str, str], test: dict[str, str]) -> Path:
        for split, posts in ((TRAIN, train), (TEST, test)):
            for name, text in posts.items():
                path = tmp_path / split / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode("latin-1"))
        return tmp_path

    return write


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the real data sets."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/datasets")
    return SHARED


@pytest.fixture(scope="session")
def real_posts(shared) -> list[str]:
    """About two hundred posts of 20 Newsgroups, from all groups."""
    with tarfile.open(shared / ARCHIVE) as tar:
        members = islice((member for member in tar if member.isfile()), None, None, 90)
        return [tar.extractfile(member).read().decode("latin-1") for member in members]
