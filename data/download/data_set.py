"""What a data set consists of, and the files that it is downloaded as."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """A file of a data set at one of its addresses.

    Args:
        url: the address.
        size: bytes.
        checksum: `sha256:…`, `sha1:…` or `md5:…` in hexadecimal digits, or only the first of them.
        only: which members of an archive are wanted, as a glob over their paths.
        saved_as: its name on disk, where that is not the last part of the address.
        part: its name in the data set, where it is no archive and is saved under another name.
        instead: another address, for when this one fails; size and checksum may be others there.
        elsewhere: places that have it in another form or behind an account, for the message when all addresses fail.
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
        """Its name on disk."""
        return self.saved_as or self.url.rpartition("/")[2]

    @property
    def addresses(self) -> list["File"]:
        """The file at this address and at those to try after it."""
        return [self] + (self.instead.addresses if self.instead else [])


def same_file(
    *urls: str,
    size: int | None,
    checksum: str | None,
    only: str = "*",
    instead: File | None = None,
    elsewhere: str = "",
) -> File:
    """One file at several addresses, which are tried in turn, before `instead`. It has the name of the first.

    Example:
        same_file("https://a.org/x.zip", "https://b.org/download/17", size=1_000, checksum="md5:…")
    """
    name = urls[0].rpartition("/")[2]
    for url in reversed(urls):
        instead = File(url, size, checksum, only, saved_as=name, instead=instead, elsewhere=elsewhere)
    return instead


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Args:
        name: as given to `scripts/get_data.sh`.
        title: its full name.
        used_for: what of the paper needs it.
        licence: what its authors say about its use.
        citation: the work to cite.
        homepage: where a person finds it.
        files: what is downloaded.
        parts: the files and folders below the data root that make it up. Each is found by its last name,
            anywhere in what was downloaded.
        check: given a data root, returns one phrase about the contents, or raises `UserError`.
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
