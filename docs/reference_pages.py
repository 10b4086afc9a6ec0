"""The pages of the site that are made from the code: the API by name, the command line, the cards of the predictors.

Each public name has one page, under the shortest of its names; packages that re-export it link there.
"""

import ast
import inspect
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import numpy.typing as npt
from docutils import nodes
from model_cards import model_cards_page
from sphinx.ext.autodoc.mock import _MockObject, mock
from sphinx.util.nodes import make_refnode
from sphinx.util.typing import stringify_annotation

import tart_nas
from tart_nas.strategies.nni_plugin import availability

__all__ = ["PACKAGES", "public_names", "resolve_alias", "shorten_signature", "skip_foreign_member", "write"]

_NOT_PUBLIC = ("cli", "encoders", "experiments", "trials")  # packages of which a user imports nothing

_INSIDE = ("tart_nas.hypernetworks.training",)  # packages in other packages that a user imports from

_FIRST = (
    "tart_nas",
    "tart_nas.optuna",
    "tart_nas.nni",
    "tart_nas.search_spaces",
    "tart_nas.predictors",
    "tart_nas.predictors.pretrained",
    "tart_nas.runs",
    "tart_nas.strategies",
    "tart_nas.networks",
    "tart_nas.training",
    "tart_nas.images",
)  # in the order of the site: what more people need comes first


def _packages() -> tuple[str, ...]:
    found = {f"tart_nas.{module.name}" for module in iter_modules(tart_nas.__path__) if module.ispkg}
    others = found - set(_FIRST) - {f"tart_nas.{name}" for name in _NOT_PUBLIC}
    return (*_FIRST, *sorted({*others, *_INSIDE}), "tart_nas.errors")


PACKAGES = _packages()
"""The modules whose ``__all__`` is the public API."""

_FOLDER = "generated/api"  # of the pages below, from the folder of the sources
_GROUPS = (("Classes", inspect.isclass), ("Functions", callable), ("Constants and types", lambda value: True))


@dataclass(frozen=True)
class Public:
    """A public name.

    Args:
        package: the module that exports it.
        name: its name there.
        value: what it is.
        path: where it is documented, a dotted name: as it is exported first; for a constant as it is defined, since
            only there stands what it means.
    """

    package: str
    name: str
    value: Any
    path: str


def _defining_module(package: str, name: str) -> str:
    """The module that assigns a name which a package imports."""
    source = ast.parse(inspect.getsource(import_module(package)))
    for node in ast.walk(source):
        if isinstance(node, ast.ImportFrom) and node.module and any(name == item.name for item in node.names):
            return _defining_module(node.module, name)
    return package


def _import_without_nni() -> None:
    """Imports the NNI plugin where NNI is not installed, so that its pages are the same everywhere."""
    if find_spec("nni") is None:
        availability.require_nni = lambda nas=True: None
        # Annotations such as `ExecutableModelSpace | None` are evaluated, and Sphinx's mock has no `|`.
        _MockObject.__or__ = _MockObject.__ror__ = lambda self, other: self
        with mock(["nni", "websockets"]):
            plugin = import_module("tart_nas.strategies.nni_plugin")
            for name in plugin.__all__:
                getattr(plugin, name)


@cache
def public_names() -> tuple[Public, ...]:
    """The names of all packages, but for those in double underscores and modules, which have pages of their own."""
    _import_without_nni()
    found: list[Public] = []
    paths: dict[int, str] = {}
    for package in PACKAGES:
        module = import_module(package)
        for name in sorted(module.__all__, key=str.lower):
            value = getattr(module, name)
            if name.startswith("__") or isinstance(value, ModuleType):
                continue
            if inspect.isclass(value) or inspect.isfunction(value):
                path = paths.setdefault(id(value), f"{package}.{name}")
            else:
                path = f"{_defining_module(package, name)}.{name}"
            found.append(Public(package, name, value, path))
    return tuple(found)


def _package_page(package: str) -> str:
    """A list of the names of a package, each with its first sentence."""
    names = [public for public in public_names() if public.package == package]
    # Not `automodule`: below it, autosummary takes all names for names inside that module.
    about = inspect.getdoc(import_module(package)) or ""
    lines = [
        package,
        "=" * len(package),
        "",
        f".. py:module:: {package}",
        "",
        about,
        "",
        ".. py:currentmodule:: None",
        "",
    ]
    for title, belongs in _GROUPS:
        group = [public for public in names if belongs(public.value)]
        names = [public for public in names if public not in group]
        if group:
            lines += [f"**{title}**", "", ".. autosummary::", "   :toctree: .", "   :nosignatures:", ""]
            lines += [f"   ~{public.path}" for public in group] + [""]
    return "\n".join(lines)


def _index_page() -> str:
    lines = [
        "API reference",
        "=============",
        "",
        "One page for each public name.",
        "",
        ".. toctree::",
        "   :maxdepth: 1",
    ]
    return "\n".join([*lines, "", *(f"   {package}" for package in PACKAGES), ""])


def _command_line_page() -> str:
    """What typer writes of its own commands."""
    command = [sys.executable, "-m", "typer", "tart_nas.cli.app", "utils", "docs", "--name", "tart-nas"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    text = done.stdout.replace("# `tart-nas`\n", "# Command line\n", 1)
    first_sentences = dict(re.findall(r"^#+ `[\w -]*?([\w-]+)`\n\n(.+)$", text, re.MULTILINE))
    # Options in a sentence become code, else their two hyphens would be shown as a dash.
    code_or_option = re.compile(r"`[^`\n]*`|(?<= )--[a-z][a-z-]*")
    text = code_or_option.sub(lambda found: found[0] if found[0][0] == "`" else f"`{found[0]}`", text)
    # In its lists of commands, typer cuts sentences after 45 characters.
    command_line = re.compile(r"^\* `([a-z][a-z-]*)`: .*$", re.MULTILINE)
    return command_line.sub(lambda line: f"* `{line[1]}`: {first_sentences[line[1]]}", text)


def write(folder: Path) -> None:
    """Writes all pages of the reference into a folder, of which nothing that was there before is left."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = {
        "api/index.rst": _index_page(),
        **{f"api/{package}.rst": _package_page(package) for package in PACKAGES},
        "cli.md": _command_line_page(),
        "model-cards.md": model_cards_page(),
    }
    (folder / "api").mkdir(parents=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


@cache
def _aliases() -> dict[str, str]:
    """The page of each public name, by all its dotted names and by its bare one."""
    found: dict[str, str] = {}
    for public in public_names():
        found[f"{public.package}.{public.name}"] = found[public.path] = public.path
        found.setdefault(public.name, public.path)
        if hasattr(public.value, "__qualname__"):
            found[f"{public.value.__module__}.{public.value.__qualname__}"] = public.path
    return found


def shorten_signature(app: Any, what: str, name: str, obj: Any, options: Any, signature: str, returns: str) -> Any:
    """Names numpy's ``ArrayLike``, a union of seven types that Sphinx would write out in each signature."""
    written_out = stringify_annotation(npt.ArrayLike, "smart")
    return tuple(text and text.replace(written_out, "~numpy.typing.ArrayLike") for text in (signature, returns))


def skip_foreign_member(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out what a class inherits from PyTorch, Optuna or Python; what it inherits from our own classes stays."""
    owner = getattr(obj, "fget", None) or obj
    owner = getattr(owner, "__objclass__", owner)  # methods that are written in C know their class alone
    module = getattr(owner, "__module__", "tart_nas") or "builtins"  # None for what Python itself has
    return None if module.startswith("tart_nas") else True


def resolve_alias(app: Any, env: Any, node: nodes.Element, content: nodes.Element) -> nodes.Node | None:
    """Resolves a reference by any of a public name's names, or to a member of one, to the one page that it has."""
    name, member = node.get("reftarget", ""), ""
    if name not in _aliases():
        name, _, last = name.rpartition(".")
        member = f".{last}"
    if name not in _aliases():
        return None
    path = _aliases()[name]
    anchor = path + member if path + member in env.domains.python_domain.objects else path
    return make_refnode(app.builder, node["refdoc"], f"{_FOLDER}/{path}", anchor, content)
