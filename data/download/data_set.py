"""Data sets and the files from which they are installed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """A file of a data set at an address, with alternatives.

    Args:
        url: the address.
        size: bytes; None if not published.
        checksum: `sha256:…`, `sha1:…` or `md5:…` and hexadecimal digits, or the first of them; None if not published.
        only: glob pattern for the paths of the members of an archive to unpack.
        saved_as: its name on disk, if that is not the last part of the address.
        part: its name in the data set, for a single file that is saved under another name.
        instead: the next address to try; its size and checksum may differ.
        elsewhere: sources in another format or behind a login, for the message if all addresses fail.
    """

    url: str
    size: int | None
    checksum: str | None
    only: str = "*"
    saved_as: str = ""
    part: str = ""
    instead: "File | None" = None
    elsewhere: str = ""

    @property
    def name(self) -> str:
        """The name on disk."""
        return self.saved_as or self.url.rpartition("/")[2]

    @property
    def addresses(self) -> list["File"]:
        """This file and its alternatives, in the order in which they are tried."""
        return [self] + (self.instead.addresses if self.instead else [])


def same_file(
    *urls: str,
    size: int | None,
    checksum: str | None,
    only: str = "*",
    instead: File | None = None,
    elsewhere: str = "",
) -> File:
    """Returns one file with several addresses, which are tried in turn before `instead`. The first gives its name.

    >>> file = same_file("https://a.org/x.zip", "https://b.org/download/17", size=1_000, checksum="md5:0f3a")
    >>> [(address.url, address.name) for address in file.addresses]
    [('https://a.org/x.zip', 'x.zip'), ('https://b.org/download/17', 'x.zip')]
    """
    name = urls[0].rpartition("/")[2]
    for url in reversed(urls):
        instead = File(url, size, checksum, only, saved_as=name, instead=instead, elsewhere=elsewhere)
    return instead


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Args:
        name: argument of `scripts/get_data.sh`.
        title: full name.
        used_for: tables and figures of the paper that need it.
        licence: licence stated by its authors.
        citation: publication to cite.
        homepage: its web page.
        files: files to download.
        parts: its files and folders, relative to the data folder. Each is found in the downloaded files by its last
            name, at any depth.
        check: takes the data folder and returns a phrase about the contents, or raises `UserError`.
    """

    name: str
    title: str
    used_for: str
    licence: str
    citation: str
    homepage: str
    files: tuple[File, ...]
    parts: tuple[str, ...]
    check: Callable[[Path], str]
