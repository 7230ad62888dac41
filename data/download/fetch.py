"""Downloads files: resumes interrupted downloads, retries failed ones, and verifies size and checksum."""

import fcntl
import hashlib
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

from data.common.errors import UserError
from data.download.data_set import File
from data.download.unpack import CHUNK, require_space

ATTEMPTS = 5  # consecutive attempts without new bytes before an address is given up
FIRST_PAUSE = 1.0  # seconds after the first of them; doubled each time
TIMEOUT = 60.0  # seconds without a byte
TRANSIENT = (408, 429, 500, 502, 503, 504)  # HTTP statuses to retry
OUT_OF_RANGE = 416
UNVERIFIED = "no size or checksum is published, so the file could not be verified; its contents are counted"


class Unavailable(Exception):
    """An address does not provide the file, or provides a file other than the published one."""


def fetch(file: File, folder: Path) -> Path:
    """Downloads `file` into `folder`, verifies it, and returns its path.

    The addresses are tried in turn. A file that is already there and has the published checksum is not downloaded.

    Raises:
        UserError: no address provides the file, or the disk does not have enough space.
    """
    problems = []
    for address in file.addresses:
        target = folder / address.name
        try:
            if not (target.exists() and address.checksum):  # An existing file without a checksum is not trusted.
                _download(address, target)
            print(f"  {target.name}: {verify_file(address, target)}")
            return target
        except Unavailable as problem:
            problems.append(f"{address.url}: {problem}")
    tried, elsewhere = "; ".join(problems), f"; elsewhere: {file.elsewhere}" if file.elsewhere else ""
    raise UserError(f"{file.name}: cannot be downloaded (tried {tried}{elsewhere}); if you have a copy, use --archive")


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Runs a block in one process at a time, because two would append to the same partial files.

    Raises:
        UserError: another process is in the block.
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{lock}: another process is installing this data set; wait until it ends") from None
        yield


def partial_file(target: Path) -> Path:
    """Returns the path of `target` while it is incomplete."""
    return target.with_name(f"{target.name}.part")


def _download(file: File, target: Path) -> None:
    part = partial_file(target)
    most, failures = _size(part), 0
    while problem := _transfer_problem(file, part):
        failures = 0 if _size(part) > most else failures + 1
        most = max(most, _size(part))
        if failures == ATTEMPTS:
            raise Unavailable(problem)
        pause = FIRST_PAUSE * 2 ** max(failures - 1, 0)
        print(f"  {file.name}: {problem}; retrying in {pause:.0f} s", file=sys.stderr)
        time.sleep(pause)
    part.replace(target)


def _transfer_problem(file: File, part: Path) -> str:
    """Completes `part`. Returns a description of a problem that may be temporary, or an empty string."""
    try:
        _transfer(file, part)
    except HTTPError as error:
        problem = f"HTTP {error.code} {error.reason}"
        if error.code == OUT_OF_RANGE:  # `part` is longer than the file, so it is not its beginning.
            part.unlink(missing_ok=True)
        elif error.code not in TRANSIENT:
            raise Unavailable(problem) from None
        return problem
    except URLError as error:
        return str(error.reason)
    except (HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        return str(error) or type(error).__name__
    return ""


def _transfer(file: File, part: Path) -> None:
    """Appends the missing bytes to `part`, or starts from byte 0 if the server does not support ranges."""
    have = _size(part)
    if file.size and have == file.size:
        return
    request = Request(file.url, headers={"User-Agent": "python-urllib", "Range": f"bytes={have}-"})
    with urlopen(request, timeout=TIMEOUT) as response:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0
        total = _announced_size(file, response, have)
        require_space(part.parent, (total or 0) - have, file.name)
        with (
            part.open("ab" if have else "wb") as output,
            tqdm(total=total, initial=have, desc=file.name, unit="B", unit_scale=True) as progress,
        ):
            while chunk := response.read(CHUNK):
                output.write(chunk)
                progress.update(len(chunk))
    if total is not None and _size(part) < total:
        raise ConnectionError(f"the connection ended after {_size(part):,} of {total:,} bytes")


def _announced_size(file: File, response: HTTPResponse, have: int) -> int | None:
    """Returns the size of the whole file, None if unknown; refuses web pages and files of another size."""
    if response.headers.get_content_type() == "text/html":
        raise Unavailable("the answer is a web page")
    if response.headers["Content-Length"] is None:
        return file.size
    total = have + int(response.headers["Content-Length"])
    if file.size not in (None, total):
        raise Unavailable(f"has {total:,} bytes, published are {file.size:,}")
    return total


def verify_file(file: File, path: Path) -> str:
    """Verifies the downloaded file at `path`; returns what was verified, or removes the file if it is wrong.

    Raises:
        Unavailable: size or checksum differ from those published.
    """
    algorithm = (file.checksum or "").partition(":")[0]
    if file.size and _size(path) != file.size:
        problem = f"the download has {_size(path):,} bytes, published are {file.size:,}"
    elif algorithm and not (found := _checksum(path, algorithm)).startswith(file.checksum):
        problem = f"the download has {found}, published is {file.checksum}"
    else:
        published = [name for name, known in (("size", file.size), (algorithm, algorithm)) if known]
        return f"{' and '.join(published)} as published" if published else UNVERIFIED
    path.unlink()
    raise Unavailable(f"{problem}; the file was removed")


def _checksum(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    title = f"{algorithm} of {path.name}"
    with (
        path.open("rb") as file,
        tqdm(total=_size(path), desc=title, unit="B", unit_scale=True, leave=False) as progress,
    ):
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            progress.update(len(chunk))
    return f"{algorithm}:{digest.hexdigest()}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
