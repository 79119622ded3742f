"""What is known of the two runs that `lthbench diff` compares: where they lie, and what they were made with."""

from collections import Counter
from pathlib import Path
from typing import Any

from lthbench.judging import diff
from lthbench.report.compare import Side
from lthbench.results.foreign import provenance_of
from lthbench.results.store import RecordError

KEYS = {"Processor": "device", "lthbench": "lthbench", "PyTorch": "torch"}


def sides(before: str, after: str, out: Path, seed: int) -> tuple[Side, Side]:
    """The runs as `diff` was told to find them."""
    return side(before, out, seed), side(after, out, seed)


def side(where: str, out: Path, seed: int) -> Side:
    """One run; its provenance, where it has one, may come from a stranger."""
    file = diff.stored(where, out, seed)
    path = file.parent / "provenance.json"
    try:
        entries: Any = provenance_of(path) if path.exists() else []
    except (RecordError, OSError, ValueError, RecursionError):
        entries = []
    units = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    made = {words: ", ".join(values(units, key)) for words, key in KEYS.items()}
    days = sorted(value[:10] for value in values(units, "finished"))
    span = days[0] + f" to {days[-1]}" * (days[0] != days[-1]) if days else ""
    return Side(str(file), {words: said for words, said in {**made, "Finished": span}.items() if said})


def values(units: list[dict[str, Any]], key: str) -> list[str]:
    """What the units say under a key, the most frequent first."""
    return [value for value, _ in Counter(str(unit[key]) for unit in units if unit.get(key)).most_common()]
