"""The committed runs are judged again as their verdicts say."""

import json
from pathlib import Path

import pytest

from lthbench.claims.load import load
from lthbench.judging.judge import judge
from lthbench.judging.verdict import from_json, to_json
from lthbench.results.tidy import read

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "reports/reference").rglob("tidy.csv.gz"))
WORDS = ("why", "settle", "magnitude", "title", "registered_title", "sentence", "not_tested")


def numbers(text: str) -> dict:
    """Everything but the words, which may improve."""
    content = json.loads(text)
    content["claims"] = [{k: v for k, v in claim.items() if k not in WORDS} for claim in content["claims"]]
    return content


def test_there_are_reference_runs() -> None:
    assert len(FOLDERS) >= 3


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_committed_verdicts_come_out_again(folder: Path) -> None:
    stored = (folder / "verdicts.json").read_text()
    old = from_json(stored)
    new = judge(load(), old.suite, old.master_seed, read(folder / "tidy.csv.gz"), trained_with=old.engine)
    assert numbers(to_json(new)) == numbers(stored)
    assert all(claim.verdict in ("PASS", "FAIL", "INCONCLUSIVE") for claim in new.claims)
