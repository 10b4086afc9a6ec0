"""The SQLite file of a study, there whole or not at all.

Optuna makes its tables and their indices one after another. A process killed between them leaves a file in which the
names of studies are not unique, and whoever goes on with it may find two studies where one belongs.
"""

from pathlib import Path

from optuna.storages import RDBStorage
from sqlalchemy import URL

from tart_nas.files import replacing

__all__ = ["open_study_file"]

_PATIENCE = 60
"""Seconds that a worker waits for another's writing."""


def open_study_file(path: Path, *, makes: bool = True) -> RDBStorage:
    """Opens the Optuna storage in a file, or makes it; two processes must not do so at once while there is none.

    Args:
        path: the file.
        makes: whether to make file and tables where there are none; else the file must be there.

    Raises:
        OSError: if the folder cannot be written.
        Exception: whatever SQLAlchemy, SQLite and Optuna raise on a full disk, a foreign or a truncated file.
    """
    if not makes:
        return _storage(path, skip_table_creation=True)
    if not path.exists():
        with replacing(path) as temporary:
            made = _storage(temporary)
            made.remove_session()
            made.engine.dispose()  # closes the file
    return _storage(path)


def _storage(path: Path, skip_table_creation: bool = False) -> RDBStorage:
    address = URL.create("sqlite", database=str(path)).render_as_string()
    options = {"connect_args": {"timeout": _PATIENCE}}
    return RDBStorage(address, engine_kwargs=options, skip_table_creation=skip_table_creation)
