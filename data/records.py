"""What a sample is: the records that the data set readers yield and the two stacks consume."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """One text with the index of its class and an id that is unique within its split."""

    id: str
    label: int
    text: str


@dataclass(frozen=True)
class Documents:
    """One split of a corpus: `count` documents, read anew from disk at every iteration."""

    count: int
    read: Callable[[], Iterator[Document]]

    def __iter__(self) -> Iterator[Document]:
        return self.read()

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Corpus:
    """A document data set: its class names, in the order of the labels, and its two splits."""

    classes: tuple[str, ...]
    train: Documents
    test: Documents
