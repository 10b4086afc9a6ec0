"""What a file or a folder is, told by its content: so that a command reads it, or says which one does.

Nothing is unpickled or evaluated, and nothing that computes is imported.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

__all__ = ["HOLD_ARCHITECTURES", "HOLD_LABELS", "HOLD_NETWORKS", "FileKind", "KnownFile", "recognise"]


class FileKind(Enum):
    """What there is: a noun for it, and what may be done with it, empty where this package has no use for it."""

    # folders
    RUN = "the folder of a search", "`tart-nas report`, `export`, `retrain`, `draw` and `score` take it"
    UNFINISHED_RUN = "the folder of a search that has not finished", "the command that began it goes on with it"
    NETWORK_FOLDER = "the folder of a trained network", "`tart-nas export`, `retrain`, `draw` and `score` take it"
    DETECTOR_FOLDER = "the folder of a trained detector", "`tart_nas.detection.load_detector` reads it"
    UNFINISHED_TRAINING = "the folder of a training that has not finished", "the command that began it goes on with it"
    MEASURED_FOLDER = "a folder of `tart-nas measure`", "`tart-nas fit` and `score` take it"
    DEEPNETS_FOLDER = "a folder of DeepNets-1M", "`tart-nas score`, `draw` and `measure` take it, with --split"
    EMPTY_FOLDER = "an empty folder", ""
    FOLDER = "a folder of something else", ""
    # files of architectures
    ARCHITECTURES = "a list of architectures", "`tart-nas score`, `draw` and `search --candidates-file` take it"
    LABELLED = "a list of labelled architectures", "`tart-nas fit` and `score` take it"
    CANDIDATES = "a table of scored candidates", "`tart-nas score`, `draw` and `search --candidates-file` take it"
    MEASURED = "a file of measured labels", "`tart-nas fit` and `score` take it"
    REPORT = "the report of a search in JSON", "`tart-nas score`, `draw` and `retrain` take it"
    META = "a meta file of DeepNets-1M", "`tart-nas score`, `draw` and `measure` take it, with --split"
    NETWORK = "the description of a trained network", "`tart-nas export` takes the folder that it is in"
    # other files of this package
    PREDICTOR = "the file of a predictor", "`tart-nas score --predictor` and `search --predictor` take it"
    GENERATOR = "the file of a generator", "`tart-nas generate --generator` and `search --generator` take it"
    CHECKPOINT = "the checkpoint of a training", "`tart-nas retrain`, `detect` and `ghn train` go on from its folder"
    WEIGHTS = "a safetensors file of weights", "`tart-nas export` takes the folder of a trained network"
    RUN_SETTINGS = "the settings of a search", "`tart-nas report` takes the folder that it is in"
    TRAINING_RESULT = "the settings or the result of a training", "`tart-nas export` takes the folder that it is in"
    STUDY = "an SQLite file, such as an Optuna study", "`tart-nas report` takes the folder of a search"
    GRAPHS = "an HDF5 file, such as graphs of DeepNets-1M", "commands take the folder that it is in, with --split"
    RELEASED_LABELS = "the released labels of DeepNets-1M", "they belong into the folder of its files"
    # files of others
    PARQUET = "a parquet table of something else", ""
    JSON = "a JSON file of something else", ""
    BROKEN_JSON = "broken JSON", ""
    WEB_PAGE = "a web page", ""
    PICTURE = "a picture", ""
    ARCHIVE = "an archive", ""
    PICKLE = "a pickle, which is never opened", ""
    TEXT = "a text", ""
    FOREIGN_TEXT = "a text that is not UTF-8", ""
    BINARY = "a binary file", ""
    EMPTY = "an empty file", ""

    def __init__(self, noun: str, use: str) -> None:
        self.noun, self.use = noun, use


HOLD_ARCHITECTURES = frozenset(
    {
        FileKind.RUN,
        FileKind.UNFINISHED_RUN,
        FileKind.NETWORK_FOLDER,
        FileKind.MEASURED_FOLDER,
        FileKind.DEEPNETS_FOLDER,
        FileKind.ARCHITECTURES,
        FileKind.LABELLED,
        FileKind.CANDIDATES,
        FileKind.MEASURED,
        FileKind.REPORT,
        FileKind.META,
        FileKind.NETWORK,
    }
)
"""What :func:`tart_nas.runs.open_architectures` opens."""

HOLD_NETWORKS = frozenset({FileKind.RUN, FileKind.UNFINISHED_RUN, FileKind.NETWORK_FOLDER})
"""What :func:`tart_nas.networks.load` loads."""

HOLD_LABELS = frozenset({FileKind.LABELLED, FileKind.MEASURED, FileKind.MEASURED_FOLDER})
"""What :func:`tart_nas.measurements.read_labelled_data` reads."""


@dataclass(frozen=True)
class KnownFile:
    """A file or a folder, and what it is.

    Args:
        path: where it is.
        kind: what it is.
        content: the JSON values that were read to find that out, if it holds any; of JSON lines a list.
        detail: what else there is to say of it.
    """

    path: Path
    kind: FileKind
    content: Any = None
    detail: str = ""

    def refusal(self, wanted: str) -> str:
        """One sentence for who was given it instead of something else: what it is, and what may be done with it."""
        use = f"; {self.kind.use}" if self.kind.use else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.path} is {self.kind.noun}{detail}, where {wanted} is expected{use}."


def recognise(path: str | os.PathLike[str]) -> KnownFile:
    """Finds out what a file or a folder is.

    Raises:
        OSError: if it is not there or must not be read.
    """
    path = Path(path)
    if path.is_dir():
        return KnownFile(path, _folder_kind(path))
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        return KnownFile(path, FileKind.EMPTY)
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return KnownFile(path, kind(path) if callable(kind) else kind)
    if (header := _safetensors_header(path, head)) is not None:
        return KnownFile(path, _safetensors_kind(header))
    if _META.match(head):
        return KnownFile(path, FileKind.META)  # its content is read net by net: it may be larger than the memory
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return KnownFile(path, FileKind.BINARY if b"\0" in head else FileKind.FOREIGN_TEXT)
    return _text_file(path, text)


_HEAD = 1 << 12  # bytes: more than any signature, and than the beginning of a meta file up to its first net
_META = re.compile(rb'\s*\{\s*"[^"]+"\s*:\s*\{\s*"(nets|meta)"\s*:')


def _parquet_kind(path: Path) -> FileKind:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return FileKind.BINARY
    return FileKind.CANDIDATES if {"score", "architecture"} <= columns else FileKind.PARQUET


_SIGNATURES: tuple[tuple[bytes, FileKind | Callable[[Path], FileKind]], ...] = (
    (b"PAR1", _parquet_kind),
    (b"SQLite format 3\0", FileKind.STUDY),
    (b"\x89HDF\r\n\x1a\n", FileKind.GRAPHS),
    (b"\x89PNG", FileKind.PICTURE),
    (b"\xff\xd8\xff", FileKind.PICTURE),
    (b"%PDF", FileKind.PICTURE),
    (b"<svg", FileKind.PICTURE),
    (b"<?xml", FileKind.PICTURE),
    (b"<!doctype html", FileKind.WEB_PAGE),
    (b"<!DOCTYPE html", FileKind.WEB_PAGE),
    (b"PK\x03\x04", FileKind.ARCHIVE),
    (b"\x1f\x8b", FileKind.ARCHIVE),
    (b"\x80\x02", FileKind.PICKLE),
    (b"\x80\x03", FileKind.PICKLE),
    (b"\x80\x04", FileKind.PICKLE),
    (b"\x80\x05", FileKind.PICKLE),
)


def _safetensors_header(path: Path, head: bytes) -> dict[str, Any] | None:
    """The header of a safetensors file: the length of a JSON text in 8 bytes, least significant first, and the text."""
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or length > path.stat().st_size:
        return None
    try:
        with path.open("rb") as file:
            file.seek(8)
            header = json.loads(file.read(length))
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) else None


def _safetensors_kind(header: dict[str, Any]) -> FileKind:
    metadata = header.get("__metadata__")
    made_as = str(metadata.get("format", "")) if isinstance(metadata, dict) else ""
    if made_as == "tart-nas predictor":
        return FileKind.PREDICTOR
    if made_as == "tart-nas generator":
        return FileKind.GENERATOR
    return FileKind.CHECKPOINT if _TRAINING.match(made_as) else FileKind.WEIGHTS


_TRAINING = re.compile(r"tart-nas (\w+ )?training \d")


def _folder_kind(path: Path) -> FileKind:
    names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    if "network.json" in names:
        return FileKind.NETWORK_FOLDER
    if "config.json" in names:
        return FileKind.RUN if "report.json" in names else FileKind.UNFINISHED_RUN
    if {"settings.json", "training.safetensors", "result.json", "report.html"} <= names:
        return FileKind.DETECTOR_FOLDER
    if {"settings.json", "training.safetensors"} & names and "labels.json" not in names:
        return FileKind.UNFINISHED_TRAINING
    if "labels.json" in names:
        return FileKind.MEASURED_FOLDER
    if any(name.startswith("deepnets1m_") and name.endswith("_meta.json") for name in names):
        return FileKind.DEEPNETS_FOLDER
    return FileKind.FOLDER if names else FileKind.EMPTY_FOLDER


def _text_file(path: Path, text: str) -> KnownFile:
    """What a text is: JSON, lines of JSON, lines of strings, a genotype as DARTS prints it, or another text."""
    if _GENOTYPE.match(text):
        return KnownFile(path, FileKind.ARCHITECTURES, [text.strip()])
    if _STRING.match(text):
        return KnownFile(path, FileKind.ARCHITECTURES, [line for line in text.splitlines() if line.strip()])
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        try:
            content = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            if text.lstrip()[:1] not in ("{", "["):
                return KnownFile(path, FileKind.TEXT)
            at = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too deep"
            return KnownFile(path, FileKind.BROKEN_JSON, detail=at)
    return KnownFile(path, _json_kind(content), content)


_GENOTYPE = re.compile(r"\s*(\w+\s*=\s*)?Genotype\(")
_STRING = re.compile(r"\s*\[(reduce|inner|\w+[:=]\d+)\]")  # the first symbol of an architecture string, never JSON


def _json_kind(content: Any) -> FileKind:
    if isinstance(content, list):
        if any(isinstance(entry, dict) and {"val_accuracy", "targets"} & entry.keys() for entry in content):
            return FileKind.LABELLED
        return FileKind.ARCHITECTURES if any(map(_is_architecture, content)) else FileKind.JSON  # readers name entries
    if not isinstance(content, dict):
        return FileKind.ARCHITECTURES if _is_architecture(content) else FileKind.JSON
    if _is_architecture(content):
        return FileKind.ARCHITECTURES
    for keys, kind in (
        ({"about", "failed"}, FileKind.MEASURED),
        ({"picks", "settings"}, FileKind.REPORT),
        ({"format", "architecture", "num_classes"}, FileKind.NETWORK),
        ({"network", "recipe"}, FileKind.TRAINING_RESULT),
        ({"settings", "versions"}, FileKind.RUN_SETTINGS),
    ):
        if keys <= content.keys():
            return kind
    first = next(iter(content.values()), None)
    if isinstance(first, dict) and {"nets", "meta"} & first.keys():
        return FileKind.META
    if isinstance(first, dict) and all(isinstance(v, dict) and "test_acc" in v for v in first.values()) and first:
        return FileKind.RELEASED_LABELS
    return FileKind.JSON


def _is_architecture(value: Any) -> bool:
    """Whether a JSON value looks like an architecture, a genotype or the text of one."""
    if isinstance(value, str):
        return "Genotype(" in value or _STRING.match(value) is not None
    members = value.keys() if isinstance(value, dict) else ()
    own = {"space", "values", "digest", "graph"}  # of a candidate of a user's own space
    return "genotype" in members or any(wanted <= {*members} for wanted in ({"normal", "reduce"}, own))
