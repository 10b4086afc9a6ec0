"""Running a page: its blocks of Python in one namespace, its blocks of a shell in bash, in order and in one folder."""

import subprocess
from collections import Counter
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

from tests.docs.pages import LANGUAGES, ROOT, Block, blocks
from tests.docs.plans import INPUTS, PLANS

__all__ = ["run_page"]


def run_page(page: Path, folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Runs all blocks of a page that have no marker.

    Args:
        page: one of :data:`tests.docs.pages.PAGES`.
        folder: an empty one, in which they are run.
        environment: of the shell, see the fixture ``commands``.

    Returns:
        The names that its blocks of Python leave behind.
    """
    plan = PLANS[page.relative_to(ROOT).as_posix()]
    known = [block for block in blocks(page) if block.language in LANGUAGES]
    to_run = [block for block in known if block.marker is None]
    assert (len(to_run), Counter(block.marker for block in known if block.marker)) == (plan.runs, plan.skipped)
    names: dict[str, Any] = {"__name__": "page"}
    for name in plan.inputs:
        assert any(name in block.text for block in to_run), f"no block of {page.name} names {name}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        INPUTS[name](folder / name)
    unused = set(plan.small)
    with chdir(folder):
        for block in to_run:
            text = block.text
            for old, new in plan.small.items():
                if old in text:
                    unused.discard(old)
                    text = text.replace(old, new)
            if block.language == "python":
                exec(compile("\n" * (block.line - 1) + text, str(page), "exec"), names)
            else:
                _run_in_bash(block, text, environment)
    assert not unused, f"substitutions that {page.name} has no use for: {unused}"
    return names


def _run_in_bash(block: Block, text: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{block.page}:{block.line}:\n{text}\n{done.stdout}"
