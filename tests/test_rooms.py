"""The imports of the package: a room imports only from rooms above it, and no modules import each other in a circle."""

import ast
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).parents[1]

ROOMS = """
    errors extras version deprecation lazy
    files checks choices bundled_files checksums downloading plain_pickles user_code worker_process
    study_file file_kinds trials cluster recipes
    operations
    genotype
    symbols
    architecture
    published
    layout
    parameter_formula
    devices images
    networks
    training sgd
    graphs
    drawing tokens
    encoders search_spaces
    strings
    deepnets1m hypernetworks
    predictors
    strategies generators
    optuna nni
    measurements
    runs
    detection
    __init__
    experiments
    cli
    __main__
"""
"""The order of docs/architecture.md, from the top: what stands in one line does not import each other."""

LEVELS = {room: level for level, line in enumerate(ROOMS.strip().splitlines()) for room in line.split()}


def _modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; the top-level folders are installed inside it."""
    modules = {}
    for folder in ("tart_nas", "search_spaces", "strategies", "experiments"):
        for path in (ROOT / folder).rglob("*.py"):
            relative = path.relative_to(ROOT / folder).with_suffix("").parts
            if folder == "tart_nas" and relative[0] in ("search_spaces", "strategies", "experiments"):
                continue  # the links
            parts = ("tart_nas", *([folder] if folder != "tart_nas" else []), *relative)
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def _imported(path: Path, modules: dict[str, Path]) -> set[str]:
    """The package's modules that a file imports, at its top, inside functions or for type checkers only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in submodules}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & modules.keys()


MODULES = _modules()
IMPORTS = {name: _imported(path, MODULES) for name, path in MODULES.items()}


def _room(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def test_every_room_has_its_place() -> None:
    assert {_room(name) for name in MODULES} == LEVELS.keys()
    assert sum(map(len, IMPORTS.values())) > 500, "the walk finds the imports"


def test_a_room_imports_only_from_rooms_above_it() -> None:
    arrows = [
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in sorted(others)
        if _room(other) != _room(module) and LEVELS[_room(other)] >= LEVELS[_room(module)]
    ]
    assert not arrows, "\n".join(arrows)


def test_no_circle() -> None:
    graph = nx.DiGraph([(module, other) for module, others in IMPORTS.items() for other in others])
    circles = [circle for circle in nx.strongly_connected_components(graph) if len(circle) > 1]
    assert not circles, circles
