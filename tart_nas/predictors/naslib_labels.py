"""The labels that ``darts-cifar10`` was fitted to, from where they are published: NASLib's zero-cost benchmark.

The file is a JSON object ``{"cifar10": {CELLS: {"val_accuracy": a, PROXY: {"score": s, "time": t}, ...}, ...}}``.
CELLS is a Python list of two cells, each a list of eight tuples (input, operation). Source: Krishnakumar et al.,
"NAS-Bench-Suite-Zero", NeurIPS 2022; https://github.com/automl/NASLib (Apache-2.0).
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from tart_nas.downloading import Progress, fetch
from tart_nas.errors import PredictorError, reason
from tart_nas.files import replacing, writing_into

__all__ = ["DARTS_LABELS_URL", "download_darts_labels"]

DARTS_LABELS_URL = (
    "https://raw.githubusercontent.com/automl/NASLib/6639fd1579010457885c641553c55b0c153045aa/"
    "naslib/data/zc_nasbench301.json"
)
"""The file as one commit of the repository holds it, so that it cannot change."""

_FILE_NAME = "darts_train.json"  # as `tart-nas data labels darts-cifar10` is told to name it

# Of what is written: cells, accuracies and scores, in the order of the file. The checksum of the published file itself
# is not known here; the commit in its address fixes it. The labels in the bundled predictor have this one: a test.
_SHA256 = "b3f4e8bd1aee559ab1d8f784e18938f7519149f34d957d9903f671cf54cf92f3"


def download_darts_labels(
    root: str | os.PathLike[str], url: str = DARTS_LABELS_URL, progress: Progress | None = None
) -> list[Path]:
    """Downloads the labels of 718 architectures of the DARTS space (0.8 MB) and writes them as ``fit`` reads them.

    What is there is not fetched again, but checked. A download that broke off leaves ``<name>.part``, from which the
    same call goes on.

    Args:
        root: the folder, made if it is missing.
        url: where the file is.
        progress: called with its name, the bytes that are there and all bytes, None if their number is unknown.

    Returns:
        The published file, and ``darts_train.json``, which :meth:`tart_nas.predictors.LabelledData.read` reads.

    Raises:
        PredictorError: if the server cannot be reached, the connection breaks off, or the file has other labels.
        RunFolderError: if a file cannot be written.
    """
    folder = Path(root)
    published, written = folder / url.rpartition("/")[2], folder / _FILE_NAME
    advice = (
        f"The same command goes on when there is a connection; or download {url} (0.8 MB) by other means to "
        f"{published}, where the same command reads it; or write the same labels without a connection: "
        f"`tart-nas data labels darts-cifar10 --out {written}`."
    )
    with writing_into(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not published.exists():
            fetch(url, published, md5=None, progress=progress, advice=advice, error=PredictorError)
        content = _converted(published)
        if written.exists() and written.read_bytes() != content:
            raise PredictorError(f"{written} has other labels: move it or take another folder.")
        with replacing(written) as temporary:
            temporary.write_bytes(content)
    return [published, written]


def _converted(path: Path) -> bytes:
    """The labels of the published file as a JSON list, an architecture a line."""
    try:
        content = path.read_bytes()
        lines = [json.dumps(_entry(cells, values)) for cells, values in json.loads(content)["cifar10"].items()]
    except OSError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PredictorError(
            f"{path} is not NASLib's file of labels ({reason(error)}): delete it and try again."
        ) from None
    converted = ("[\n" + ",\n".join(lines) + "\n]\n").encode()
    if hashlib.sha256(converted).hexdigest() != _SHA256:
        raise PredictorError(f"{path} has other labels than those of NASLib: delete it and try again.")
    return converted


def _entry(cells: str, values: dict[str, Any]) -> dict[str, Any]:
    # Tuples as lists: then it is JSON, and nothing of the file is evaluated.
    normal, reduce = json.loads(cells.translate(str.maketrans("()", "[]")))
    proxies = {name: value["score"] for name, value in values.items() if isinstance(value, dict)}
    return {"normal": normal, "reduce": reduce, "val_accuracy": values["val_accuracy"], "proxies": proxies}
