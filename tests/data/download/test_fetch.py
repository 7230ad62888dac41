import hashlib
import re
import shutil
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from data.common.errors import UserError
from data.download import fetch as fetching
from data.download.data_set import DataSet, File, same_file
from data.download.fetch import fetch
from data.download.install import install

CONTENT = bytes(range(256)) * 1000
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
Disk = namedtuple("Disk", "total used free")


class Server(ThreadingHTTPServer):
    """Serves CONTENT at every address; the attributes simulate failures."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges = True
        self.statuses = []  # of the first answers
        self.sends = []  # bytes after which the first connections end
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


def test_file_is_downloaded_and_verified(server, file, tmp_path):
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["some.tar"]


@pytest.mark.parametrize("name", ["some.tar", "some.tar.part"])
def test_complete_file_is_not_downloaded_again(server, file, tmp_path, name):
    (tmp_path / name).write_bytes(CONTENT)
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_checksums_of_every_kind_are_verified(server, tmp_path, capsys, algorithm):
    checksum = f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}"
    fetch(File(server.url("some.tar"), None, checksum), tmp_path)
    assert algorithm in capsys.readouterr().out
    with pytest.raises(UserError, match=f"some.tar: .*{checksum}.*{algorithm}:00"):
        fetch(File(server.url("some.tar"), None, f"{algorithm}:00"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_existing_file_without_checksum_is_downloaded_again(server, tmp_path, capsys):
    (tmp_path / "some.h5").write_bytes(b"of an earlier attempt")
    assert fetch(File(server.url("some.h5"), None, None), tmp_path).read_bytes() == CONTENT
    assert fetching.UNVERIFIED in capsys.readouterr().out


def test_interrupted_download_is_resumed(server, file, tmp_path):
    (tmp_path / "some.tar.part").write_bytes(CONTENT[:1000])
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_server_without_ranges_sends_the_file_from_the_start(server, file, tmp_path):
    server.ranges = False
    (tmp_path / "some.tar.part").write_bytes(b"x" * 1000)
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_partial_file_longer_than_the_file_is_discarded(server, tmp_path):
    (tmp_path / "some.tar.part").write_bytes(b"x" * (len(CONTENT) + 1))
    assert fetch(File(server.url("some.tar"), None, SHA256), tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT) + 1}-", "bytes=0-"]


def test_broken_connections_are_resumed_while_bytes_arrive(server, file, tmp_path):
    server.sends = [20_000] * 10
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert server.asked[:3] == ["bytes=0-", "bytes=20000-", "bytes=40000-"]


def test_connection_that_brings_nothing_new_is_given_up(server, file, tmp_path):
    server.ranges = False
    server.sends = [20_000] * 100
    with pytest.raises(UserError, match="some.tar: .*--archive"):
        fetch(file, tmp_path)
    assert len(server.asked) == 1 + fetching.ATTEMPTS
    assert (tmp_path / "some.tar.part").stat().st_size == 20_000


def test_temporary_failures_are_retried_and_others_are_not(server, file, tmp_path):
    server.statuses = [404]
    with pytest.raises(UserError, match="some.tar: .*404"):
        fetch(file, tmp_path)
    assert len(server.asked) == 1
    server.statuses = [503, 429]
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 4


def test_addresses_are_tried_in_turn(server, tmp_path):
    server.statuses = [404, 403]
    urls = [server.url(name) for name in ("some.tar", "files/17", "copy/other.tar")]
    file = same_file(*urls, size=len(CONTENT), checksum=SHA256)
    assert fetch(file, tmp_path) == tmp_path / "some.tar"
    assert len(server.asked) == 3


def test_failures_of_all_addresses_are_listed(server, tmp_path):
    server.statuses = [404, 403]
    urls = [server.url("some.tar"), server.url("other.tar")]
    file = same_file(*urls, size=None, checksum=None, elsewhere="some.parquet at a hub")
    with pytest.raises(UserError) as error:
        fetch(file, tmp_path)
    assert re.search(f"{urls[0]}: .*404.*{urls[1]}: .*403.*some.parquet", str(error.value))


@pytest.mark.parametrize("local", [False, True])
def test_file_of_another_name_is_renamed_in_the_data_set(server, tmp_path, local):
    server.statuses = [404]
    other = File(server.url("other-with-more.h5"), len(CONTENT), None, part="some.h5")
    file = same_file(server.url("some.h5"), size=None, checksum=None, instead=other)
    part = "folder/some.h5"
    data_set = DataSet("some", "", "", "", "", "", (file,), (part,), lambda root: (root / part).name)
    copies = []
    if local:
        copies = [tmp_path / "other-with-more.h5"]
        copies[0].write_bytes(CONTENT)
    install(data_set, tmp_path / "data", copies)
    assert (tmp_path / "data" / part).read_bytes() == CONTENT
    assert len(server.asked) == (0 if local else 2)


def test_unreachable_server_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(fetching, "FIRST_PAUSE", 0.0)
    with pytest.raises(UserError, match="some.tar: .*http://127.0.0.1:1/some.tar"):
        fetch(File("http://127.0.0.1:1/some.tar", None, None), tmp_path)


@pytest.mark.parametrize("announced", [True, False])
def test_file_of_another_size_is_refused(server, tmp_path, announced):
    server.length = announced
    with pytest.raises(UserError, match="256,000 .*255,999"):
        fetch(File(server.url("some.tar"), 255_999, SHA256), tmp_path)
    assert not (tmp_path / "some.tar").exists()
    assert not (announced and list(tmp_path.iterdir()))


def test_web_page_is_refused(server, file, tmp_path):
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(UserError, match="web page"):
        fetch(file, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_disk_space_is_checked_before_the_download(server, file, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(1, 1, 255_999))
    with pytest.raises(UserError, match="256.0 kB"):
        fetch(file, tmp_path)
    assert list(tmp_path.iterdir()) == []
