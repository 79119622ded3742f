"""Add what `python -m tools.mutants --json` found to signatures.json.

`python -m tools.mutants.signatures FILE ...`
"""

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "lthbench/judging/signatures.json"
DIGITS = 4


def collected(contents: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The signature of every mutant that was trained with, by id; of several runs the last counts."""
    by_id = {entry["id"]: entry for entry in before}
    for content in contents:
        for result in content["results"]:
            if result["signature"]:
                by_id[result["id"]] = {
                    "id": result["id"],
                    "says": result["says"],
                    "means": {line: round(mean, DIGITS) for line, (mean, _) in result["signature"].items()},
                    "sound": {
                        line: [round(value, DIGITS) for value in pair]
                        for line, pair in result["sound"].items()
                        if line in result["signature"]
                    },
                }
    return [by_id[name] for name in sorted(by_id)]


if __name__ == "__main__":
    read = [json.loads(Path(file).read_text(encoding="utf-8")) for file in sys.argv[1:]]
    lines = ",\n".join(
        json.dumps(entry) for entry in collected(read, json.loads(TARGET.read_text(encoding="utf-8")))
    )
    TARGET.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
