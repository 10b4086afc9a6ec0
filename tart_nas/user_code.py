"""Objects that a user names as ``module:function``: a module is imported because its name was typed, and only then."""

import os
import re
import sys
from importlib import import_module
from typing import Any

from tart_nas.errors import SettingError, first_line

__all__ = ["is_reference", "load_object"]

_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def is_reference(text: str) -> bool:
    """Whether a text has the form ``module:function``."""
    return _REFERENCE.fullmatch(text) is not None


def load_object(reference: str) -> Any:
    """Imports the module of ``module:name`` and returns what it has under the name.

    Modules are found as Python finds them, and in the current folder, which scripts that pip installs do not search.

    Args:
        reference: dotted names on both sides of the colon: ``package.module:function``, ``module:Class.method``.

    Raises:
        SettingError: if the text has another form, the module cannot be imported, or it has no such name.
    """
    if not is_reference(reference):
        raise SettingError(f"Expected module:function, such as my_spaces:build, but got {reference!r}.")
    module_name, _, path = reference.partition(":")
    if (folder := os.getcwd()) not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):  # one that the module imports
            raise SettingError(f"{reference}: importing {module_name} failed: {first_line(error)}.") from error
        raise SettingError(f"{reference}: there is no module {error.name!r} in {folder} or on Python's path.") from None
    except (Exception, SystemExit) as error:  # whatever the code of a user's module raises
        raise SettingError(
            f"{reference}: importing {module_name} failed: {type(error).__name__}: {first_line(error)}"
        ) from error
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise SettingError(f"{reference}: {module_name} has no {path!r}.") from None
    return found
