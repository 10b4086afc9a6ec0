import errno
import os
import re
import resource
import socket
import subprocess
import sys
import time
import zlib

import pytest
import torch
from safetensors.torch import save_file

from tart_nas.files import remove_leftovers, replacing


def test_replaces_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "first"
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "first"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_what_safetensors_cannot_write_is_an_error_of_the_system(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # bytes
    try:
        with pytest.raises(OSError, match="File too large") as raised, replacing(path) as temporary:
            save_file({"weight": torch.zeros(1000)}, temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(path))
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


WRITING = """
import sys, time
from pathlib import Path
from tart_nas.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    print(temporary, flush=True)
    time.sleep(600)
"""


def test_a_file_of_another_container_stays_until_it_is_old(tmp_path):
    """There this process's number may be another one's, or nobody's."""
    with replacing(tmp_path / "file.txt") as temporary, replacing(tmp_path / "file.txt") as other:
        assert temporary != other
        other.touch()
        temporary.touch()
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        own, process = f"{temporary.name.split('.')[3].split('-')[0]}", f"{os.getpid()}"
        assert re.fullmatch(rf"\.file\.txt\.{own}-{process}-[0-9a-f]{{8}}\.tmp\.txt", temporary.name)
        names = [
            (f".f.{own}-{ended.pid}-01234567.tmp", False),
            (f".f.{own}-{process}-01234567.tmp", True),
            (f".f.0badc0de-{ended.pid}-01234567.tmp.sqlite3-wal", True),
            (f".f.0badc0de-{process}-01234567.tmp", True),
            (f".f.{ended.pid}.tmp", False),
            (f".f.{zlib.crc32(socket.gethostname().encode()):08x}-{ended.pid}.tmp", False),
        ]
        for name, _ in names:
            (tmp_path / name).touch()
        remove_leftovers(tmp_path)
        assert [(tmp_path / name).exists() for name, _ in names] == [stays for _, stays in names]
        assert temporary.exists()
        assert other.exists()
        yesterday = time.time() - 25 * 60 * 60  # seconds
        for name, _ in names:
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (yesterday, yesterday))
        remove_leftovers(tmp_path)
        assert [name for name, _ in names if (tmp_path / name).exists()] == [names[1][0]], "its process lives"


def test_what_a_killed_process_was_writing_goes_and_what_a_living_one_writes_stays(tmp_path):
    path = tmp_path / "file.txt"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITING, path], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    killed, living = (
        tmp_path / os.path.basename(writer.stdout.readline().strip()) for writer in writers if writer.stdout
    )
    try:
        writers[0].kill()
        writers[0].wait()
        for name in (".hidden", "mine.tmp", ".vim.tmp.swp", f".f.0badc0de-{writers[0].pid}.tmp"):  # not ours, or remote
            (tmp_path / name).touch()
        of_earlier_version = tmp_path / f".other.sqlite3.{writers[0].pid}.tmp.sqlite3-journal"
        of_earlier_version.touch()
        assert killed.exists()
        with replacing(path) as temporary:
            temporary.write_text("whole")
        assert not killed.exists()
        assert not of_earlier_version.exists()
        assert living.read_bytes() == b"half"
        assert len(list(tmp_path.iterdir())) == 6
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    remove_leftovers(tmp_path)
    assert not living.exists()
    remove_leftovers(tmp_path / "missing")
