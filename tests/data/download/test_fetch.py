import hashlib
import shutil
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from data.common.errors import UserError
from data.download import fetch as fetching
from data.download.__main__ import get
from data.download.data_set import DataSet, File, same_file
from data.download.fetch import fetch

CONTENT = bytes(range(256)) * 1000
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
Disk = namedtuple("Disk", "total used free")


class Server(ThreadingHTTPServer):
    """Serves CONTENT at every address; the attributes say how well."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges = True
        self.statuses = []  # answered first, one a request
        self.sends = []  # bytes after which the connection ends, one a request
        self.content_type = "application/octet-stream"
        self.length = True
        self.asked = []  # the Range header of each request

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.headers["Range"])
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")) if server.ranges else 0
        status = server.statuses.pop(0) if server.statuses else 206 if server.ranges else 200
        if status < 300 and start >= len(CONTENT):
            status = 416
        body = CONTENT[start:] if status < 300 else b""
        self.send_response(status)
        self.send_header("Content-Type", server.content_type)
        if server.length:
            self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(body[: server.sends.pop(0)] if server.sends else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetching, "FIRST_PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def file(server):
    return File(server.url("some.tar"), len(CONTENT), SHA256)


def test_file_is_downloaded_and_verified(server, file, tmp_path, capsys):
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["some.tar"]
    assert "some.tar: size and sha256 as published" in capsys.readouterr().out


def test_file_that_is_there_and_as_published_is_not_downloaded(server, file, tmp_path):
    (tmp_path / "some.tar").write_bytes(CONTENT)
    fetch(file, tmp_path)
    assert server.asked == []


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_published_checksums_of_every_kind_are_verified(server, tmp_path, capsys, algorithm):
    checksum = f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}"
    fetch(File(server.url("some.tar"), None, checksum), tmp_path)
    assert f"{algorithm} as published" in capsys.readouterr().out


def test_file_without_published_size_and_checksum_is_said_to_be_unverified(server, tmp_path, capsys):
    fetch(File(server.url("some.h5"), None, None), tmp_path)
    assert "neither could be verified" in capsys.readouterr().out


def test_unverifiable_file_left_behind_is_downloaded_anew(server, tmp_path):
    (tmp_path / "some.h5").write_bytes(b"of an earlier attempt")
    assert fetch(File(server.url("some.h5"), None, None), tmp_path).read_bytes() == CONTENT


def test_interrupted_download_goes_on_where_it_stopped(server, file, tmp_path):
    (tmp_path / "some.tar.part").write_bytes(CONTENT[:1000])
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_complete_partial_file_is_taken_without_a_request(server, file, tmp_path):
    (tmp_path / "some.tar.part").write_bytes(CONTENT)
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_server_without_ranges_sends_the_file_from_the_start(server, file, tmp_path):
    server.ranges = False
    (tmp_path / "some.tar.part").write_bytes(b"x" * 1000)
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_partial_file_longer_than_the_file_is_started_anew(server, tmp_path):
    (tmp_path / "some.tar.part").write_bytes(b"x" * (len(CONTENT) + 1))
    assert fetch(File(server.url("some.tar"), None, SHA256), tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT) + 1}-", "bytes=0-"]


def test_broken_connections_are_resumed_as_long_as_something_comes(server, file, tmp_path, capsys):
    server.sends = [20_000] * 10
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert server.asked[:3] == ["bytes=0-", "bytes=20000-", "bytes=40000-"]
    assert "trying again in" in capsys.readouterr().err


def test_connection_that_always_breaks_at_one_place_is_given_up_and_keeps_what_came(server, file, tmp_path):
    server.ranges = False
    server.sends = [20_000] * 100
    with pytest.raises(UserError, match="could not be downloaded.*--archive"):
        fetch(file, tmp_path)
    assert len(server.asked) == 1 + fetching.ATTEMPTS
    assert (tmp_path / "some.tar.part").stat().st_size == 20_000


def test_answers_that_may_get_better_are_asked_again(server, file, tmp_path):
    server.statuses = [503, 429]
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_absent_file_is_not_asked_for_again(server, file, tmp_path):
    server.statuses = [404]
    with pytest.raises(UserError, match="some.tar: could not be downloaded .*HTTP 404"):
        fetch(file, tmp_path)
    assert len(server.asked) == 1


def test_next_address_is_tried_when_one_fails(server, file, tmp_path):
    server.statuses = [404]
    other = File(server.url("gone.tgz"), None, "md5:0", instead=file)
    assert fetch(other, tmp_path).name == "some.tar"


def test_same_file_is_tried_at_its_addresses_in_turn_and_has_the_name_of_the_first(server, tmp_path):
    server.statuses = [404, 403]
    urls = [server.url(name) for name in ("some.tar", "files/17", "copy/other.tar")]
    file = same_file(*urls, size=len(CONTENT), checksum=SHA256)
    assert [address.url for address in file.addresses] == urls
    assert fetch(file, tmp_path) == tmp_path / "some.tar"
    assert len(server.asked) == 3


def test_what_came_from_one_address_is_completed_from_the_next(server, tmp_path):
    server.sends = [20_000] + [0] * fetching.ATTEMPTS
    file = same_file(server.url("some.tar"), server.url("files/17"), size=len(CONTENT), checksum=SHA256)
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=20000-"


def test_a_failed_download_names_every_address_and_other_places(server, tmp_path):
    server.statuses = [404, 403, 410]
    urls = [server.url(name) for name in ("some.tar", "files/17", "copy/other.tar")]
    file = same_file(*urls, size=len(CONTENT), checksum=SHA256, elsewhere="some.parquet at a hub")
    with pytest.raises(UserError) as error:
        fetch(file, tmp_path)
    for url, status in zip(urls, (404, 403, 410), strict=True):
        assert f"{url}: HTTP {status}" in str(error.value)
    assert "some.parquet at a hub" in str(error.value) and "--archive" in str(error.value)


@pytest.mark.parametrize("local", [False, True])
def test_a_file_of_another_name_takes_its_place_in_the_data_set(server, tmp_path, local):
    server.statuses = [404]
    other = File(server.url("other-with-more.h5"), len(CONTENT), None, part="some.h5")
    file = same_file(server.url("some.h5"), size=None, checksum=None, instead=other)
    data_set = DataSet(
        "some", "", "", "", "", "", (file,), ("folder/some.h5",), lambda root: (root / "folder/some.h5").name
    )
    copies = []
    if local:
        (tmp_path / "other-with-more.h5").write_bytes(CONTENT)
        copies = [tmp_path / "other-with-more.h5"]
    get(data_set, tmp_path / "data", copies)
    assert (tmp_path / "data/folder/some.h5").read_bytes() == CONTENT
    assert len(server.asked) == (0 if local else 2)


def test_unreachable_server_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(fetching, "FIRST_PAUSE", 0.0)
    with pytest.raises(UserError, match="refused"):
        fetch(File("http://127.0.0.1:1/some.tar", None, None), tmp_path)


def test_wrong_checksum_removes_the_file(server, tmp_path):
    with pytest.raises(UserError, match="what came has sha256:.* where sha256:00 is published; it was removed"):
        fetch(File(server.url("some.tar"), len(CONTENT), "sha256:00"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_wrong_size_is_refused_before_it_is_downloaded(server, tmp_path):
    with pytest.raises(UserError, match="it offers 256,000 bytes where 255,999 are published"):
        fetch(File(server.url("some.tar"), 255_999, SHA256), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_wrong_size_that_was_not_announced_removes_the_file(server, tmp_path):
    server.length = False
    with pytest.raises(UserError, match="256,000 bytes came where 1 are published; it was removed"):
        fetch(File(server.url("some.tar"), 1, SHA256), tmp_path)
    assert not (tmp_path / "some.tar").exists()


def test_web_page_is_not_taken_for_the_file(server, file, tmp_path):
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(UserError, match="web page"):
        fetch(file, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_download_that_does_not_fit_on_the_disk_is_not_begun(server, file, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(1, 1, 255_999))
    with pytest.raises(UserError, match="takes 256.0 kB, and the disk has 256.0 kB free"):
        fetch(file, tmp_path)
    assert list(tmp_path.iterdir()) == []
