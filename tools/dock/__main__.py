"""`python -m tools.dock`: M1 to M15, and a sound implementation with many seeds, in the dock; writes the table.

python -m tools.dock --seeds 20 --out FOLDER     train (what is there is kept) and write FOLDER/standings.json
python -m tools.dock --table --out FOLDER        write docs/dock-implementations.md from it
"""

import argparse
import json
import sys
from pathlib import Path

from lthbench.claims.load import load
from lthbench.drive.implementation import Asked, tested
from lthbench.errors import UserError
from lthbench.files import write_text
from tools.answer import answer
from tools.dock.table import document

ROOT = Path(__file__).parents[2]
DOCK = ROOT / "tests" / "dock"
DOCUMENT = ROOT / "docs" / "dock-implementations.md"
SUITE, REPLICATES = "own", 8
MISTAKES = ("M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8", "M9", "M9b", "M10", "M11", "M12", "M13", "M14", "M15")


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; returns its exit code."""
    options = argparse.ArgumentParser(prog="python -m tools.dock", description=__doc__)
    options.add_argument("--seeds", type=int, default=20, help="seeds of the sound implementation")
    options.add_argument("--out", type=Path, required=True, help="folder for all runs")
    options.add_argument("--table", action="store_true", help="write the document from what is there")
    options.add_argument("--only", action="append", default=[], metavar="ID", help="a mistake, or `sound`")
    given = options.parse_args(arguments)
    return answer(lambda: table(given.out) if given.table else run(given.out, given.seeds, given.only))


def run(out: Path, seeds: int, only: list[str]) -> int:
    """Train and judge everything that has not been; in this process, so that torch is imported once."""
    sys.path.insert(0, str(DOCK / "implementations"))
    names = [("sound", seed) for seed in range(seeds)] if not only or "sound" in only else []
    mistakes = [(name, 0) for name in MISTAKES if not only or name in only]
    for name, seed in [*names[:1], *mistakes, *names[1:]]:
        known = standings(out)
        if f"{name} {seed}" in known:
            continue
        function = "sound:run" if name == "sound" else f"mistakes:{name.lower()}"
        asked = Asked(function, SUITE, (), REPLICATES, seed, out / f"{name}-{seed}", out / "reference", cores=0)
        try:
            tested(asked, load(DOCK / "claims"), lambda _: None)
            standing = json.loads((asked.out / "standing.json").read_text(encoding="utf-8"))
        except UserError as error:
            standing = {"words": f"Refused: {error}", "refused": True}
        print(f"{name}, seed {seed}: {standing['words']}", flush=True)
        write_text(out / "standings.json", json.dumps(known | {f"{name} {seed}": standing}, indent=1) + "\n")
    return 0


def standings(out: Path) -> dict[str, dict]:
    """What was found so far, by `name seed`."""
    file = out / "standings.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def table(out: Path) -> int:
    """Write the document."""
    write_text(DOCUMENT, document(standings(out), REPLICATES, DOCK / "implementations"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
