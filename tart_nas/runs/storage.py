"""Where the study of a run is kept: any storage of Optuna's that other processes can open, by its address."""

import re
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from sqlalchemy import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from tart_nas.errors import RunFolderError, SettingError, first_line
from tart_nas.extras import how_to_install
from tart_nas.study_file import open_study_file
from tart_nas.trials import WholeLineJournal
from tart_nas.trials import optuna_internals as internals

__all__ = [
    "ALL_TRAINED",
    "OWN_STUDY",
    "MissingStudyError",
    "check_storage",
    "file_of",
    "is_server",
    "masked",
    "open_study",
    "read_study",
    "storage_address",
]

OWN_STUDY = "tart-nas search"
"""The name of the study in a run folder's own file in version 0.1.0; since then it is the folder's."""

ALL_TRAINED = "all_trained"
"""The user attribute of a run's study at which its workers end."""

_SQLITE_ENDINGS, _JOURNAL_ENDINGS = (".db", ".sqlite", ".sqlite3"), (".journal", ".log")
"""Of files that Optuna's documentation and dashboard name so."""

_MASK = "***"  # in place of a password: reading it back raises, instead of trying a wrong one
_PASSWORD = re.compile(r"(://[^:/@]*:)[^@]*@")
# Of what drivers take behind the question mark: password, sslpassword, passwd, passfile's content, tokens and keys.
_SECRET = re.compile(r"([?&][^=&#]*(?:pass|pwd|secret|token|key)[^=&#]*=)[^&#]*", re.IGNORECASE)


class MissingStudyError(RunFolderError):
    """A study that is not in its storage."""


def storage_address(storage: str | Path | BaseStorage | None) -> str | None:
    """The address of a storage, which the run folder keeps: workers and reports open it by that.

    Args:
        storage: an address as in :func:`open_study`; the path of a file that ends in ``.sqlite3``, ``.sqlite`` or
            ``.db``, or, for a journal, in ``.log`` or ``.journal``; or a storage of Optuna's.

    Returns:
        The address, with an absolute path where a path or an object was given; None for None.

    Raises:
        SettingError: if it is none of these, or has no address, as a storage in memory.
    """
    if isinstance(storage, BaseStorage):
        address = internals.storage_address(storage)
        if address is None:
            raise SettingError(
                f"Other processes cannot open the storage {type(storage).__name__}: expected one of a database, of a "
                f"journal file with Optuna's default lock, or a gRPC proxy."
            )
        return address
    if storage is None or "://" in str(storage):
        return storage if storage is None else str(storage)
    path = Path(storage).expanduser()
    if path.suffix in _SQLITE_ENDINGS:
        return URL.create("sqlite", database=str(path.resolve())).render_as_string()
    if path.suffix in _JOURNAL_ENDINGS:
        return f"journal://{path.resolve()}"
    raise SettingError(
        f"A storage must be an address such as sqlite:///FILE, postgresql+psycopg://USER@HOST/DATABASE, "
        f"journal:///FILE or grpc://HOST:PORT, or a path that ends in "
        f"{', '.join((*_SQLITE_ENDINGS, *_JOURNAL_ENDINGS))}, but got {str(storage)!r}."
    )


def open_study(address: str | None, name: str, own_file: Path) -> optuna.Study:
    """Opens the study of a run, or makes it.

    Args:
        address: ``sqlite:///FILE``, ``postgresql+psycopg://USER:PASSWORD@HOST/DATABASE`` or any other address of
            SQLAlchemy, ``journal:///FILE``, or ``grpc://HOST:PORT`` of Optuna's proxy; None for ``own_file``.
        name: of the study.
        own_file: an SQLite file.

    Raises:
        RunFolderError: if the storage cannot be opened, or the file is not an Optuna study.
        SettingError: if the address is none of these, or its password is missing.
    """
    try:
        storage = open_study_file(own_file) if address is None else _open(address)
        return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    except SettingError:
        raise
    except Exception as error:  # whatever drivers, SQLAlchemy, gRPC and Optuna raise on a foreign or unreachable one
        where = f"{own_file} is not the study of a search" if address is None else f"Cannot open {masked(address)}"
        raise RunFolderError(f"{where}: {first_line(error)}") from error


def read_study(address: str | None, name: str, own_file: Path) -> optuna.Study:
    """Opens the study of a run to read it: no file, table or study is made where there is none.

    Args:
        address: as in :func:`open_study`.
        name: of the study.
        own_file: an SQLite file.

    Raises:
        MissingStudyError: if there is no such study.
        RunFolderError: if its storage cannot be opened.
        SettingError: as in :func:`open_study`.
    """
    file = own_file if address is None else file_of(address)
    if file is not None and not file.is_file():
        raise MissingStudyError(f"There is no study of a search in {file}.")
    try:
        storage = open_study_file(own_file, makes=False) if address is None else _open(address, makes=False)
        study = optuna.load_study(storage=storage, study_name=name)
        study.get_trials(deepcopy=False), study.user_attrs  # a damaged storage may open, and fail at what is in it
        return study
    except SettingError:
        raise
    except KeyError:
        raise MissingStudyError(f"There is no study {name!r} in {file or masked(address)}.") from None
    except Exception as error:  # as in open_study
        raise RunFolderError(f"Cannot read the study in {file or masked(address)}: {first_line(error)}") from error


def check_storage(address: str) -> None:
    """Makes sure that a storage is there.

    Raises:
        RunFolderError: if it cannot be reached.
        SettingError: if the address is not one of :func:`open_study`.
    """
    try:
        _open(address)
    except SettingError:
        raise
    except Exception as error:  # as in open_study
        raise RunFolderError(f"Cannot open {masked(address)}: {first_line(error)}") from error


def masked(address: str | None) -> str | None:
    """The address without its password, as it may be written down."""
    if address is None:
        return None
    return _SECRET.sub(rf"\1{_MASK}", _PASSWORD.sub(rf"\1{_MASK}@", address))


def is_server(address: str) -> bool:
    """Whether to open an address is to contact a server, and not to open a file."""
    return file_of(address) is None


def file_of(address: str) -> Path | None:
    """The file that an address names, None for a server."""
    scheme, _, rest = address.partition("://")
    if scheme == "journal":
        return Path(rest)
    try:
        url = make_url(address)
    except SQLAlchemyError:
        return None
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _open(address: str, *, makes: bool = True) -> BaseStorage:
    if f":{_MASK}@" in address or f"={_MASK}" in address:
        raise SettingError(f"The password of {address} is not written down: give the whole address as the storage.")
    scheme, _, rest = address.partition("://")
    if scheme == "grpc":
        host, _, port = rest.rpartition(":")
        if not host or not port.isdigit():
            raise SettingError(f"The address of a gRPC proxy must be grpc://HOST:PORT, but got {masked(address)!r}.")
        if find_spec("grpc") is None:
            raise SettingError(f"A gRPC proxy needs grpcio; {how_to_install('grpc')}.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            proxy = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
        proxy.wait_server_ready(timeout=30)  # seconds; a proxy that is begun with the search imports Optuna first
        return proxy
    if scheme == "journal":
        return JournalStorage(WholeLineJournal(rest))
    try:
        make_url(address)
    except SQLAlchemyError:
        raise SettingError(
            f"A storage must be an address such as sqlite:///FILE, postgresql+psycopg://USER@HOST/DATABASE, "
            f"journal:///FILE or grpc://HOST:PORT, but got {masked(address)!r}."
        ) from None
    if scheme == "postgresql+psycopg" and find_spec("psycopg") is None:
        raise SettingError(f"PostgreSQL needs psycopg; {how_to_install('postgres')}.")
    options: dict[str, Any] = {"pool_pre_ping": True}  # a server may have been away
    if scheme.startswith("sqlite"):  # workers wait for each other's writes
        options = {"connect_args": {"timeout": 60}}  # seconds, as for a folder's own file
    if not makes:
        return RDBStorage(address, engine_kwargs=options, skip_table_creation=True)
    try:
        return RDBStorage(address, engine_kwargs=options)
    except SQLAlchemyError:  # a search and its workers that begin at once both make the tables, and one fails
        time.sleep(1.0)
        return RDBStorage(address, engine_kwargs=options)
