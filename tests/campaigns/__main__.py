"""``python -m tests.campaigns``: runs campaigns and writes what came of them into a file, JSON."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.campaigns.commands import COMMANDS
from tests.campaigns.corruption import corrupt_at_random
from tests.campaigns.formats import FORMATS
from tests.campaigns.frozen import STORAGES, freeze_at_random
from tests.campaigns.full_disk import fill_at_random
from tests.campaigns.kills import kill_at_random
from tests.campaigns.little_memory import limit_at_random
from tests.campaigns.processes import Launcher
from tests.forks import ForkServer

# Of a whole campaign: kills in all, faults of each format, limits of each command, searches on each storage.
COUNTS = {"kills": 200, "corruption": 500, "full-disk": 20, "little-memory": 20, "frozen": 4}
DISTURB = {
    "kills": kill_at_random,
    "full-disk": fill_at_random,
    "little-memory": limit_at_random,
    "frozen": freeze_at_random,
}


def _faults(values: Any) -> Iterator[str]:
    """All faults in a result, however deep."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from value if key == "faults" else _faults(value)


def main() -> None:
    """Runs the campaigns that are asked for; ends with status 1 if one found a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns", description=__doc__)
    parser.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", help=f"of {', '.join(COUNTS)}; default all")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--count", type=int, help="how many of each; default that of a whole campaign")
    parser.add_argument("--only", nargs="*", help="commands, formats or storages; default all")
    parser.add_argument("--out", type=Path, help="the file to which results are added; default none")
    arguments = parser.parse_args()
    if unknown := set(arguments.campaigns) - COUNTS.keys():
        parser.error(f"there is no campaign {', '.join(unknown)}")
    known = {*COMMANDS, *FORMATS, *STORAGES}
    if unknown := set(arguments.only or ()) - known:
        parser.error(f"there is no {', '.join(unknown)}: expected some of {', '.join(sorted(known))}")
    folder = Path(tempfile.mkdtemp(prefix="tart-nas-campaign-"))
    has_faults = False
    for name in arguments.campaigns or COUNTS:
        count, start = arguments.count or COUNTS[name], time.monotonic()
        (folder / name).mkdir()
        asked = arguments.seed, count, arguments.only
        if name == "corruption":
            found = corrupt_at_random(folder / name, *asked)
        else:
            with ForkServer(os.environ) as server:
                found = DISTURB[name](folder / name, Launcher(server, folder), *asked)
        result: dict[str, Any] = {
            "campaign": name,
            "seed": arguments.seed,
            "count": count,
            "only": arguments.only,
            **found,
        }
        result["seconds"] = round(time.monotonic() - start)
        print(json.dumps(result, indent=1))
        has_faults |= any(_faults(result))
        if arguments.out is not None:
            done = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
            arguments.out.write_text(json.dumps([*done, result], indent=1) + "\n")
    print(f"what was written lies in {folder}")
    sys.exit(has_faults)


if __name__ == "__main__":
    main()
