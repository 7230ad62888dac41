"""Downloads a file: goes on where it was interrupted, tries again, and verifies it before anybody uses it."""

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

ATTEMPTS = 5  # in a row that bring nothing new
FIRST_PAUSE = 1.0  # seconds after the first of them, then twice as long each time
TIMEOUT = 60.0  # seconds without a byte
TRANSIENT = (408, 429, 500, 502, 503, 504)  # HTTP answers that may be better in a moment
OUT_OF_RANGE = 416
UNVERIFIED = "neither size nor checksum is published, so neither could be verified; its contents are counted"


class Unavailable(Exception):
    """An address does not have the file, or not the one that was published."""


def fetch(file: File, folder: Path) -> Path:
    """Returns the path of `file` in `folder`, downloaded unless it is there, size and checksum as published.

    Its addresses are tried in turn.

    Raises:
        UserError: none of its addresses has it, or the disk has too little space.
    """
    problems = []
    for address in file.addresses:
        target = folder / address.name
        try:
            if not (target.exists() and address.checksum):  # what nothing vouches for is not taken as found
                _download(address, target)
            print(f"  {target.name}: {verify(address, target)}")
            return target
        except Unavailable as problem:
            problems.append(f"{address.url}: {problem}")
    tried, elsewhere = "; ".join(problems), f"; elsewhere: {file.elsewhere}" if file.elsewhere else ""
    raise UserError(
        f"{file.name}: could not be downloaded (tried {tried}{elsewhere}); if you have a copy, give --archive"
    )


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Keeps a second process, which would append to the same partial files, out of a block."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{lock}: another process is getting this data set; wait until it is done") from None
        yield


def partial_file(target: Path) -> Path:
    """Where the beginning of `target` is kept until it is complete."""
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
        print(f"  {file.name}: {problem}; trying again in {pause:.0f} s", file=sys.stderr)
        time.sleep(pause)
    part.replace(target)


def _transfer_problem(file: File, part: Path) -> str:
    """Transfers what `part` lacks. Returns what went wrong if that may go better next time, else nothing."""
    try:
        _transfer(file, part)
    except HTTPError as error:
        problem = f"HTTP {error.code} {error.reason}"
        if error.code == OUT_OF_RANGE:  # what is there is longer than the file, so it is no beginning of it
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
    """Appends to `part` what it lacks, or starts anew where the server does not send parts of files."""
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
    """Bytes of the whole file, None where the server does not say; refuses what cannot be the file."""
    if response.headers.get_content_type() == "text/html":
        raise Unavailable("it answers with a web page")
    if response.headers["Content-Length"] is None:
        return file.size
    total = have + int(response.headers["Content-Length"])
    if file.size not in (None, total):
        raise Unavailable(f"it offers {total:,} bytes where {file.size:,} are published")
    return total


def verify(file: File, path: Path) -> str:
    """Says what vouches for the file at `path`; one that is not as published is removed.

    Raises:
        Unavailable: size or checksum differ from what was published.
    """
    algorithm = (file.checksum or "").partition(":")[0]
    if file.size and _size(path) != file.size:
        problem = f"{_size(path):,} bytes came where {file.size:,} are published"
    elif algorithm and not (found := _checksum(path, algorithm)).startswith(file.checksum):
        problem = f"what came has {found} where {file.checksum} is published"
    else:
        published = [name for name, known in (("size", file.size), (algorithm, algorithm)) if known]
        return f"{' and '.join(published)} as published" if published else UNVERIFIED
    path.unlink()
    raise Unavailable(f"{problem}; it was removed")


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
