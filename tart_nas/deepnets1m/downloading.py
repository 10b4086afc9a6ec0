"""Getting the released files, and what the archive among them holds."""

import os
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tart_nas.downloading import Progress, fetch, md5_of
from tart_nas.errors import DeepNetsError, SettingError
from tart_nas.files import replacing

__all__ = ["BASE_URL", "RELEASED_FILES", "ReleasedFile", "download"]

BASE_URL = "https://dl.fbaipublicfiles.com/deepnets1m/"

_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class ReleasedFile:
    """One of the released files.

    Args:
        name: its name.
        md5: its checksum.
        size: in words.
    """

    name: str
    md5: str
    size: str


RELEASED_FILES = (
    ReleasedFile("deepnets1m_eval.hdf5", "1f5641329271583ad068f43e1521517e", "16 MB"),
    ReleasedFile("deepnets1m_meta.tar.gz", "a42b6f513da6bbe493fc16a30d6d4e3e", "35 MB"),
    ReleasedFile("deepnets1m_search.hdf5", "0a93f4b4e3b729ea71eb383f78ea9b53", "1.3 GB"),
    ReleasedFile("deepnets1m_train.hdf5", "90bbe84bb1da0d76cdc06d5ff84fa23d", "10.3 GB"),
)
"""The four files; the archive holds the meta files of the others."""

_META_NAMES = tuple(f"deepnets1m_{name}_meta.json" for name in ("eval", "search", "train"))


def download(
    root: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    base_url: str = BASE_URL,
    files: Sequence[ReleasedFile] = RELEASED_FILES,
    progress: Progress | None = None,
) -> list[Path]:
    """Downloads released files and checks their checksums; the archive is unpacked.

    What is there and right is not fetched again. A download that broke off leaves ``<name>.part``, from which the same
    call goes on.

    Args:
        root: the folder, made if it is missing.
        names: those of the files to get, by default all.
        base_url: where they are.
        files: what there is.
        progress: called with a file's name, the bytes that are there and all bytes, None if their number is unknown.

    Returns:
        The files.

    Raises:
        SettingError: if there is no file of such a name.
        DeepNetsError: if the server cannot be reached, the connection breaks off, a checksum is wrong, or a meta file
            that is there is not that of the archive.
        OSError: if a file cannot be written.
    """
    known = {file.name: file for file in files}
    if unknown := sorted(set(names or ()) - set(known)):
        raise SettingError(f"DeepNets-1M has no file {unknown}: expected some of {', '.join(known)}.")
    folder = Path(root)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for file in [known[name] for name in dict.fromkeys(known if names is None else names)]:
        path = folder / file.name
        if not path.exists():
            fetch(
                base_url + file.name,
                path,
                md5=file.md5,
                progress=progress,
                advice=_by_hand(folder, base_url, files),
                error=DeepNetsError,
            )
        elif md5_of(path) != file.md5:
            # The meta file beside it is of the same networks: it would stay beside the released file.
            meta = path.with_name(f"{path.stem}_meta.json")
            what = f"it and {meta.name}" if path.suffix == ".hdf5" and meta.exists() else "it"
            raise DeepNetsError(
                f"{path} is not the released file (md5 {file.md5}): move {what} or take another folder."
            )
        paths.append(path)
        if file.name.endswith(".tar.gz"):
            paths += _unpacked(path)
    return paths


def _by_hand(folder: Path, base_url: str, files: Sequence[ReleasedFile]) -> str:
    addresses = ", ".join(f"{base_url}{file.name} ({file.size})" for file in files)
    return (
        f"The same command goes on when there is a connection; or download {addresses} by other means into {folder}, "
        "where the same command checks and unpacks them."
    )


def _holds(path: Path, content: IO[bytes]) -> bool:
    """Whether a file holds what a stream gives, up to the size of the stream."""
    with path.open("rb") as file:
        while block := content.read(_BLOCK):
            if file.read(len(block)) != block:
                return False
    return True


def _unpacked(archive: Path) -> list[Path]:
    """Unpacks the meta files that are not there yet; those that are there must be the same."""
    paths = []
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                # The last part alone: a member cannot lead out of the folder.
                name = Path(member.name).name
                if name not in _META_NAMES or not member.isfile():
                    continue
                path = archive.with_name(name)
                content = tar.extractfile(member)
                assert content is not None, "a file has a content"
                with content:
                    if not path.exists():
                        with replacing(path) as temporary, temporary.open("wb") as output:
                            while block := content.read(_BLOCK):
                                output.write(block)
                    elif path.stat().st_size != member.size or not _holds(path, content):
                        graphs = name.replace("_meta.json", ".hdf5")
                        raise DeepNetsError(
                            f"{path} is not the released file, which {archive.name} holds: move it, and {graphs} with "
                            "it if that is not the released one either, or take another folder."
                        )
                paths.append(path)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DeepNetsError(f"{archive} is no complete archive: {error}.") from None
    return paths
