import errno
import hashlib
import http.client
import io
import os
import re
import socket
import ssl
import tarfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tart_nas.deepnets1m import RELEASED_FILES, download
from tart_nas.deepnets1m.downloading import ReleasedFile
from tart_nas.errors import DeepNetsError, SettingError
from tests.web_server import address_of, answering

GRAPHS = bytes(range(256)) * 12_000  # 3 MB
PIECE = 100_000  # bytes that the server sends at once


def archive():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in (
            ("data/deepnets1m_eval_meta.json", b'{"val": {}}'),
            ("../deepnets1m_train_meta.json", b'{"train": {}}'),
            ("other.txt", b"other"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("deepnets1m_search_meta.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return stream.getvalue()


CONTENT = {"deepnets1m_eval.hdf5": GRAPHS, "deepnets1m_meta.tar.gz": archive()}
FILES = tuple(ReleasedFile(name, hashlib.md5(content).hexdigest(), "3 MB") for name, content in CONTENT.items())


class Server(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.status, self.knows_ranges, self.breaks_after, self.pauses = [], None, True, None, 0.0
        self.url = f"{address_of(self)}/deepnets1m/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        server, name = self.server, self.path.rsplit("/", 1)[-1]
        content = CONTENT.get(name)
        server.requests.append((name, self.headers.get("Range")))
        if content is None or server.status:
            self.send_error(server.status or 404)
            return
        start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
        if not server.knows_ranges:
            start = 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        content = content[start:][: server.breaks_after]
        for piece in range(0, len(content), PIECE):
            self.wfile.write(content[piece : piece + PIECE])
            time.sleep(server.pauses)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    with answering(server):
        yield server


def visible(folder):
    """Its files without the locks, which stay where a download did not end well: others may wait for them."""
    return [path.name for path in folder.iterdir() if not path.name.endswith(".lock")]


def test_all_files_and_what_the_archive_holds(server, tmp_path):
    calls = []
    paths = download(tmp_path / "new", base_url=server.url, files=FILES, progress=lambda *call: calls.append(call))
    expected = [
        "deepnets1m_eval.hdf5",
        "deepnets1m_meta.tar.gz",
        "deepnets1m_eval_meta.json",
        "deepnets1m_train_meta.json",
    ]
    assert [path.name for path in paths] == expected
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(expected)
    assert (tmp_path / "new/deepnets1m_eval.hdf5").read_bytes() == GRAPHS
    assert (tmp_path / "new/deepnets1m_train_meta.json").read_text() == '{"train": {}}'
    assert calls[0] == ("deepnets1m_eval.hdf5", 0, len(GRAPHS))
    assert ("deepnets1m_eval.hdf5", len(GRAPHS), len(GRAPHS)) in calls
    server.requests.clear()
    assert download(tmp_path / "new", base_url=server.url, files=FILES) == paths
    assert server.requests == []


def test_some_files(server, tmp_path):
    (path,) = download(tmp_path, ["deepnets1m_eval.hdf5"], server.url, FILES)
    assert path == tmp_path / "deepnets1m_eval.hdf5"
    with pytest.raises(
        SettingError, match=r"no file \['deepnets1m_val.hdf5'\]: expected some of deepnets1m_eval.hdf5, "
    ):
        download(tmp_path, ["deepnets1m_val.hdf5"], server.url, FILES)


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_broken_downloads_go_on(server, tmp_path, knows_ranges):
    server.knows_ranges, server.breaks_after = knows_ranges, 1_200_000
    with pytest.raises(DeepNetsError, match=r"broke off after 1,200,000 of 3,072,000 bytes: the same command goes on"):
        download(tmp_path, ["deepnets1m_eval.hdf5"], server.url, FILES)
    assert visible(tmp_path) == ["deepnets1m_eval.hdf5.part"]
    server.breaks_after = None
    download(tmp_path, ["deepnets1m_eval.hdf5"], server.url, FILES)
    assert (tmp_path / "deepnets1m_eval.hdf5").read_bytes() == GRAPHS
    assert [ranges for _, ranges in server.requests] == [None, "bytes=1200000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["deepnets1m_eval.hdf5"]


def test_a_complete_part_is_only_checked(server, tmp_path):
    (tmp_path / "deepnets1m_eval.hdf5.part").write_bytes(GRAPHS)
    download(tmp_path, ["deepnets1m_eval.hdf5"], server.url, FILES)
    assert (tmp_path / "deepnets1m_eval.hdf5").read_bytes() == GRAPHS


def test_two_at_once(server, tmp_path, fork_server):
    """Both wrote into one file, and the first one's checksum was of its own stream."""
    server.pauses = 0.05  # seconds between two pieces
    call = f"download({str(tmp_path)!r}, ['deepnets1m_eval.hdf5'], {server.url!r}, FILES)"
    code = f"from tests.deepnets1m.test_downloading import *; {call}"
    processes = [fork_server.start(code=code) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 2
    assert (tmp_path / "deepnets1m_eval.hdf5").read_bytes() == GRAPHS
    assert server.requests == [("deepnets1m_eval.hdf5", None)]
    assert len(list(tmp_path.iterdir())) == 1


def test_wrong_checksums(server, tmp_path):
    (tmp_path / "deepnets1m_eval.hdf5.part").write_bytes(b"wrong")
    with pytest.raises(DeepNetsError, match=r"has the md5 [0-9a-f]{32}, not [0-9a-f]{32}: what came is deleted"):
        download(tmp_path, ["deepnets1m_eval.hdf5"], server.url, FILES)
    assert visible(tmp_path) == []
    mine = tmp_path / "deepnets1m_eval.hdf5"
    mine.write_bytes(b"mine")
    with pytest.raises(DeepNetsError, match=r"is not the released file \(md5 .*\): move it or take another folder"):
        download(tmp_path, ["deepnets1m_eval.hdf5"], server.url, FILES)
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("meta", ['{"val": {"nets": []}}', '{"vaL": {}}'])
def test_a_meta_file_of_other_networks_is_not_left_beside_the_released_graphs(server, tmp_path, meta):
    graphs, mine = tmp_path / "deepnets1m_eval.hdf5", tmp_path / "deepnets1m_eval_meta.json"
    graphs.write_bytes(b"mine")
    mine.write_text(meta)
    with pytest.raises(DeepNetsError, match=r"move it and deepnets1m_eval_meta.json or take another folder"):
        download(tmp_path, base_url=server.url, files=FILES)
    graphs.unlink()  # and not the other one
    with pytest.raises(DeepNetsError, match=r"_eval_meta.json is not the released file, .* deepnets1m_eval.hdf5 with"):
        download(tmp_path, base_url=server.url, files=FILES)
    assert mine.read_text() == meta
    mine.unlink()
    download(tmp_path, base_url=server.url, files=FILES)
    assert mine.read_text() == '{"val": {}}'


def test_offline(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(DeepNetsError, match=f"Cannot get {url}deepnets1m_eval.hdf5: .*refused") as caught:
            download(tmp_path, base_url=url)
    message = str(caught.value)
    assert "\n" not in message
    for file in RELEASED_FILES:
        assert f"{url}{file.name} ({file.size})" in message
    assert f"into {tmp_path}" in message


@pytest.mark.parametrize(
    "fault",
    [
        ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed or bad record mac"),
        OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH)),
        http.client.IncompleteRead(b""),
    ],
)
def test_what_fails_in_the_middle_is_the_network_s_fault(server, tmp_path, monkeypatch, fault):
    read = http.client.HTTPResponse.read
    reads = []

    def failing(response, *arguments):
        reads.append(arguments)
        if len(reads) == 2:
            raise fault
        return read(response, *arguments)

    monkeypatch.setattr(http.client.HTTPResponse, "read", failing)
    with pytest.raises(
        DeepNetsError, match=r"^Cannot get http.*eval.hdf5: .*\. The same command goes on when"
    ) as caught:
        download(tmp_path, ["deepnets1m_eval.hdf5"], server.url, FILES)
    assert "\n" not in str(caught.value)
    download(tmp_path, ["deepnets1m_eval.hdf5"], server.url, FILES)
    assert [ranges for _, ranges in server.requests] == [None, f"bytes={1 << 20}-"]


def test_what_cannot_be_written_is_an_error_of_the_system(server, tmp_path):
    (tmp_path / "deepnets1m_eval.hdf5.part").mkdir()
    with pytest.raises(IsADirectoryError):
        download(tmp_path, ["deepnets1m_eval.hdf5"], server.url, FILES)


def test_answers_that_are_errors(server, tmp_path):
    server.status = 503
    with pytest.raises(DeepNetsError, match="the server answers 503 Service Unavailable. The same command goes on"):
        download(tmp_path, base_url=server.url, files=FILES)
    assert visible(tmp_path) == []


def test_the_released_files_are_those_of_the_paper():
    assert [file.name for file in RELEASED_FILES] == [
        "deepnets1m_eval.hdf5",
        "deepnets1m_meta.tar.gz",
        "deepnets1m_search.hdf5",
        "deepnets1m_train.hdf5",
    ]
    assert all(re.fullmatch("[0-9a-f]{32}", file.md5) for file in RELEASED_FILES)
