"""A registration that is frozen, edited, and frozen again: what its hash covers and what verdicts say of it."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lthbench.claims import frozen
from lthbench.claims.load import ClaimFileError, load
from lthbench.claims.new_claim import Answers, planning_words, write
from lthbench.errors import UserError
from lthbench.judging.judge import judge
from lthbench.judging.verdict import from_json, to_json
from lthbench.judging.words import freeze_words
from lthbench.report.frozen import NO_TIMES, before_data, frozen_part, spans
from lthbench.report.sentences import reasons
from lthbench.results.format import check_table, text_table

SUITE = """
id: own
title: Ours
says: Ours.
claims: []
exploratory: true
block: 4
chance: 10
dense_bands: {}
"""
EXPERIMENT = """
id: own
title: a tiny perceptron on a few digits
network: {kind: mlp, hidden: [24, 16]}
data: {name: digits, test: 400, validation: 100}
training: {optimizer: adam, learning_rate: 0.002, batch: 40, iterations: 60, evaluate_every: 20}
pruning: {scope: layer-wise, rate: 0.5, output_rate: 0.25, rewind: 5}
draws: {reinit: 3}
weights: 2080
"""
SENTENCE = "A ticket beats a reinitialised one"


def answers(id="MY-1", hypotheses=("ticket@2 - reinit@2 superiority 1",), **more):
    return Answers(id, SENTENCE, hypotheses, "less would not matter", **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of claim files with one claim, MY-1, made by answers."""
    made = tmp_path / "mine"
    for name, text in (("suites/own.yaml", SUITE), ("experiments/own.yaml", EXPERIMENT)):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    (made / "FC-1.yaml").write_text(first_claim())
    write(made, answers())
    return made


def first_claim() -> str:
    """A folder is never without a claim: the one that was there before."""
    sides = {"minuend": "ticket@2", "subtrahend": "dense@0"}
    lines = {"id": "H1", "says": "x", "endpoint": "final_test_accuracy", "test": "non-inferiority", "delta": 1,
             "contrast": sides, "margin_from": "x", "margin_rule": "none"}  # fmt: skip
    source = {"paper": "x", "where": "x", "verified": "memory"}
    rule = {"title": "x", "experiment": "own", "reduced_scale": True, "replicates": 9, "hypotheses": [lines]}
    return yaml.safe_dump({"id": "FC-1", "title": "x", "sentence": "x", "kind": "secondary", "sources": [source],
                           "conditions": [], "contradictions": [], "suites": {"own": rule}})  # fmt: skip


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def status(folder: Path, claim: str = "MY-1"):
    return frozen.registered(load(folder), "own", claim)


def test_a_claim_from_answers_is_what_was_answered(folder) -> None:
    rule = load(folder).claims["MY-1"].suites["own"]
    (line,) = rule.hypotheses
    assert (str(line.contrast), line.test, line.delta, line.margin_rule) == (
        "ticket@2 - reinit@2",
        "superiority",
        1,
        "none",
    )
    assert (rule.replicates, rule.power) == (9, None)  # as many as the other claim's


def test_power_is_that_of_the_answers(folder) -> None:
    two = ("ticket@2 - reinit@2 superiority 1 expect 2 1", "ticket@2 - 50 superiority 1 expect 3 1.5")
    registry = write(folder, answers(hypotheses=two, tuned=(1000, 16), replicates=12), replace=True)
    rule = registry.claims["MY-1"].suites["own"]
    assert rule.tuning.replicates == 16
    assert rule.hypotheses[1].contrast.subtrahend == 50
    assert 0.9 < rule.power <= 1
    first, one, _ = planning_words(registry, "own", registry.claims["MY-1"])
    assert "n = 12 at level 0.05: the smallest p is 0.00024; fewer than 5 replicates" in first
    assert one.startswith("H1: power 1.00 to PASS at effect 2, SD 1 pp; n for 90 %: ")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hypotheses": ("ticket@2-reinit@2 superiority 1",)}, "write 'MINUEND - SUBTRAHEND TEST DELTA"),
        ({"hypotheses": ("ticket@2 - reinit@2 superiority one",)}, "'one' is no number"),
        ({"hypotheses": ("ticket@2 - nothing@2 superiority 1",)}, "unknown arm 'nothing'"),
        ({"hypotheses": ("ticket@2 - reinit@2 better 1",)}, "is no test"),
        ({"hypotheses": ("ticket@2 - reinit@2 better 1 expect 2 1",)}, "is no test"),
        ({"replicates": 3}, "cannot decide at level 0.05"),
        ({"suite": "other"}, "--suite other: there is none"),
        ({"id": "../MY-2"}, "is no id of a claim"),
    ],
)
def test_answers_that_are_no_claim_leave_nothing_behind(folder, given, words) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=words.replace("(", r"\(")):
        write(folder, answers(**({"id": "MY-2"} | given)))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_file_is_not_written_over_unasked(folder) -> None:
    with pytest.raises(UserError, match="--replace"):
        write(folder, answers())


def test_the_hash_is_the_one_that_the_page_shows(folder) -> None:
    page = (Path(__file__).parents[2] / "docs" / "register.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    said: dict = {}
    exec(code.replace("mine/", f"{folder}/").replace('["MY-1"]', "[]"), said)  # MY-1 is secondary here
    by_hand = hashlib.sha256(json.dumps(said["said"], sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert frozen.hash_of(folder, load(folder), "own", "MY-1") == by_hand


def test_without_a_freeze_nothing_is_said(folder) -> None:
    assert status(folder) is None


def test_what_counts_as_a_change(folder) -> None:
    frozen.freeze(load(folder), "own", "")
    assert status(folder).status == frozen.AS_FROZEN
    for name, old, new in (
        ("MY-1.yaml", "delta: 1.0", "delta: 0.5"),
        ("MY-1.yaml", SENTENCE, SENTENCE + "."),
        ("suites/own.yaml", "chance: 10", "chance: 11"),
        ("experiments/own.yaml", "iterations: 60", "iterations: 80"),
        ("FC-1.yaml", "kind: secondary", "kind: primary"),  # it takes a share of the level
    ):
        text = (folder / name).read_text()
        edit(folder / name, old, new)
        assert status(folder).status == frozen.CHANGED, name
        (folder / name).write_text(text)
    for name, new in (("MY-1.yaml", "# a comment\n"), ("experiments/own.yaml", "\n\n# another\n")):
        (folder / name).write_text(new + (folder / name).read_text())
    edit(folder / "FC-1.yaml", "delta: 1", "delta: 2")  # of another claim, which shares no level
    assert status(folder).status == frozen.AS_FROZEN
    assert status(folder, "FC-1").status == frozen.CHANGED


def test_a_second_freeze_needs_a_reason_and_keeps_the_first(folder) -> None:
    first = frozen.freeze(load(folder), "own", "")
    with pytest.raises(UserError, match="nothing was written"):
        frozen.freeze(load(folder), "own", "for nothing")
    edit(folder / "MY-1.yaml", "delta: 1.0", "delta: 0.5")
    with pytest.raises(UserError, match="MY-1 changed since"):
        frozen.freeze(load(folder), "own", "")
    frozen.freeze(load(folder), "own", "half a point matters")
    both = frozen.freezes(folder)
    assert both[0] == first
    assert freeze_words(status(folder)) == ["Registration changed and frozen again (half a point matters)."]
    assert freeze_words(status(folder, "FC-1")) == []


def test_a_claim_that_came_later_was_not_frozen(folder) -> None:
    frozen.freeze(load(folder), "own", "")
    write(folder, answers("MY-2"))
    assert status(folder, "MY-2").status == frozen.NOT_FROZEN
    assert "not frozen" in freeze_words(status(folder, "MY-2"))[0]


def judged(folder: Path):
    """The verdicts on nine pairs whose ticket is 3 pp better."""
    rows = [(arm, 2, f"s{i}", base + i / 10) for i in range(9) for arm, base in (("ticket", 63), ("reinit", 60))]
    frame = pd.DataFrame(rows, columns=["arm", "level", "replicate", "value"])
    text = frame.assign(experiment="own", metric="final_test_accuracy").to_csv(index=False)
    return judge(load(folder), "own", 0, check_table(text_table(text, Path("t.csv")), "t").table, origin="given")


def test_the_verdict_says_it_whatever_it_is(folder) -> None:
    plain = judged(folder)
    assert '"registration"' not in to_json(plain)  # without a record, verdicts keep their bytes
    frozen.freeze(load(folder), "own", "")
    kept = from_json(to_json(judged(folder))).claims[-1]
    assert (kept.id, kept.verdict, kept.why) == ("MY-1", "PASS", plain.claims[-1].why)
    assert (kept.registration, kept.freeze) == (frozen.freezes(folder)[0].claims["MY-1"], "as frozen")
    edit(folder / "MY-1.yaml", "delta: 1.0", "delta: 0.5")
    changed = judged(folder).claims[-1]
    assert (changed.verdict, changed.freeze) == ("PASS", "changed")
    assert f"Registration changed after it was frozen: {kept.registration[:12]} then, " in changed.why
    assert reasons(changed)[-1].startswith("Registration changed")  # what reports and `explain` print


def test_whether_the_freeze_came_before_the_data(folder) -> None:
    frozen.freeze(load(folder), "own", "")
    (record,) = json.loads((folder / frozen.FILE).read_text())
    (folder / frozen.FILE).write_text(json.dumps([record | {"at": "2026-01-01T12:00:00Z"}]))
    units = [
        {"finished": "2026-01-01T12:00:30Z", "seconds": 10.0},
        {"finished": "2026-01-01T12:00:05Z", "seconds": 10},
    ]
    said = [before_data(status(folder), spans(some)) for some in (units[:1], units, [{"file": "given.csv"}])]
    assert (
        said[0] == "all 1 units began after the freeze of 2026-01-01T12:00:00Z, the first at 2026-01-01T12:00:20Z"
    )
    assert said[1].startswith(
        "1 of 2 units began BEFORE the freeze of 2026-01-01T12:00:00Z, the first at 2026-01-01T11:59:55Z"
    )
    assert said[2] == NO_TIMES
    assert "- data: 1 of 2 units began BEFORE" in frozen_part(status(folder), units)
    assert frozen_part(None, units) == ""


@pytest.mark.parametrize("text", ["{", "[{}]", '[{"suite": "own", "at": "today", "claims": {}}]', "3"])
def test_a_damaged_record_is_a_line(folder, text) -> None:
    (folder / frozen.FILE).write_text(text)
    with pytest.raises(ClaimFileError, match=r"frozen\.json.*restore it from version control"):
        status(folder)
