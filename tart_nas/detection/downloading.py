"""Getting the Penn-Fudan database from the University of Pennsylvania."""

import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tart_nas.detection.pedestrians import FOLDER
from tart_nas.downloading import Progress, fetch
from tart_nas.errors import ImageDataError, reason
from tart_nas.files import writing_into

__all__ = ["PENN_FUDAN_URL", "download_penn_fudan"]

PENN_FUDAN_URL = "https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip"

_PARTS = {"PNGImages": ".png", "PedMasks": ".png", "Annotation": ".txt"}  # folders, and what of them is unpacked


def download_penn_fudan(root: str | Path, url: str = PENN_FUDAN_URL, progress: Progress | None = None) -> Path:
    """Downloads the database (54 MB) and unpacks it; what is unpacked is not fetched again.

    Its authors give no checksum: a damaged archive is told by the checksums inside it. A download that broke off leaves
    ``PennFudanPed.zip.part``, from which the same call goes on.

    Args:
        root: the folder in which ``PennFudanPed`` is made; made if it is missing.
        url: where the archive is.
        progress: called with its name, the bytes that are there and all bytes, None if their number is unknown.

    Returns:
        The folder ``PennFudanPed``, for :func:`load_pedestrians`.

    Raises:
        ImageDataError: if the server cannot be reached, the connection breaks off, or the archive is damaged.
        RunFolderError: if a file cannot be written.
    """
    root = Path(root)
    folder, archive = root / FOLDER, root / f"{FOLDER}.zip"
    if folder.is_dir():
        return folder
    by_hand = (
        f"The same command goes on when there is a connection; or download {url} (54 MB) by other means to {archive}, "
        "which the same command unpacks."
    )
    with writing_into(root):
        root.mkdir(parents=True, exist_ok=True)
        fetch(url, archive, md5=None, progress=progress, advice=by_hand, error=ImageDataError)
        _unpack(archive, folder)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    """Unpacks what the data set consists of; the folder appears when it is whole."""
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        count = 0
        with zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                # The last two parts alone: a member cannot lead out of the folder.
                part, name = ("", *PurePosixPath(member.filename).parts)[-2:]
                is_hidden = name.startswith(".")  # what macOS adds to archives
                if Path(name).suffix == _PARTS.get(part) and not is_hidden and not member.is_dir():
                    (made / part).mkdir(exist_ok=True)
                    with content.open(member) as source, (made / part / name).open("wb") as output:
                        shutil.copyfileobj(source, output)
                    count += part == "PNGImages"
        if not count:
            raise ImageDataError(f"{archive} is another archive: it has no PNGImages/*.png. Delete it and try again.")
        made.chmod(0o755)  # mkdtemp makes folders that nobody else may read
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker, with the same archive
                raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ImageDataError(f"{archive} is no complete archive ({reason(error)}): delete it and try again.") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
