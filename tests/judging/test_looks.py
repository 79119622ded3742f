"""Two looks: what the first settles stays settled, what it leaves open is judged with all replicates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging_lab import N, claim, line, registry, spread, table

from lthbench.claims.load import Registry
from lthbench.judging.judge import judge, left_open
from lthbench.judging.verdict import ClaimVerdict, from_json, to_json

FIRST = 8
LOOK = {"first_look": {"replicates": FIRST, "alpha": 0.04}, "alpha": 0.1, "block": 4}
CLEAR, NOISY = 5 + spread(), np.array([3.0, -3.0, 3.0, 2.0, 3.0, -2.0, 3.0, 2.0, 3.2, 3.1])


def two() -> Registry:
    """A claim on tickets and one on reinitialised networks."""
    return registry(
        claim("A-1", line("ticket@1", 60.0)), claim("B-1", line("reinit@1", 60.0)), **LOOK
    )  # fmt: skip


def verdicts(found: Registry, values: dict, **more) -> dict[str, ClaimVerdict]:
    judged = judge(found, "toys", 0, table(found, {k: 60 + np.asarray(v) for k, v in values.items()}, **more))
    return {c.id: c for c in judged.claims}


def test_a_clear_claim_is_settled_at_the_first_look_and_an_open_one_at_the_second() -> None:
    found = verdicts(two(), {"ticket@1": CLEAR, "reinit@1": NOISY})
    assert [(c.verdict, c.look, c.replicates) for c in found.values()] == [("PASS", 1, FIRST), ("PASS", 2, N)]
    assert found["A-1"].pass_level == 0.04 / 2
    # Its alpha is the rest, and A-1 keeps its share of it.
    assert found["B-1"].pass_level == 0.06 / 2
    assert len(found["A-1"].hypotheses[0].d) == FIRST
    assert len(found["B-1"].hypotheses[0].d) == N
    assert found["A-1"].why.startswith(f"Judged at the first look, with {FIRST} replicates.")
    assert found["B-1"].why.startswith(f"Judged at the second look, with {N} replicates.")


def test_later_replicates_never_change_what_the_first_look_settled() -> None:
    turned = np.where(np.arange(N) < FIRST, CLEAR, -5.0)
    found = verdicts(two(), {"ticket@1": turned, "reinit@1": NOISY})
    assert (found["A-1"].verdict, found["A-1"].replicates) == ("PASS", FIRST)
    assert found["B-1"].look == 2


def test_without_its_later_replicates_an_open_claim_is_not_run() -> None:
    found = two()
    frame = table(found, {"ticket@1": 60 + CLEAR, "reinit@1": 60 + NOISY})
    frame = frame[frame["replicate"] < FIRST]
    judged = judge(found, "toys", 0, frame)
    assert [c.verdict for c in judged.claims] == ["PASS", "NOT RUN"]
    assert "Inconclusive at the first look" in judged.claims[1].why
    assert left_open(found, "toys", 0, frame) == ["B-1"]
    assert left_open(found, "toys", 0, frame, ["A-1"]) == []


def strangers(values: dict, n: int) -> dict[str, ClaimVerdict]:
    """The first n replicates as a stranger's table."""
    found = two()
    frame = table(found, {k: 60 + np.asarray(v) for k, v in values.items()})
    labels = "s" + frame["replicate"].astype(str)
    frame = frame[frame["replicate"] < n].assign(replicate=labels)
    return {c.id: c for c in judge(found, "toys", 0, frame, origin="given").claims}


def test_a_strangers_table_gets_the_verdicts_of_our_own() -> None:
    """Ten replicates under other names: s10 comes after s9, and each look sees what it would have seen."""
    values = {"ticket@1": CLEAR, "reinit@1": NOISY}
    own, theirs = verdicts(two(), values), strangers(values, N)
    for name in own:
        mine, other = own[name], theirs[name]
        assert (mine.verdict, mine.look, mine.p_pass, mine.pass_level, mine.replicates) == (
            other.verdict, other.look, other.p_pass, other.pass_level, other.replicates
        )  # fmt: skip
        assert mine.hypotheses[0].d == other.hypotheses[0].d


def test_a_strangers_table_is_not_looked_at_again_as_it_grows() -> None:
    """Between the looks nothing is decided: a table of nine shows what its first eight show."""
    first, ninth = (strangers({"ticket@1": NOISY, "reinit@1": CLEAR}, n)["A-1"] for n in (FIRST, FIRST + 1))
    assert (first.verdict, ninth.verdict) == ("INCONCLUSIVE", "INCONCLUSIVE")
    assert (first.look, ninth.look, ninth.p_pass, ninth.replicates) == (1, 1, first.p_pass, FIRST)
    assert "more replicates than the 9 that are there" in ninth.why


def test_fewer_than_the_first_look_asks_for_are_judged_at_its_level() -> None:
    few = strangers({"ticket@1": CLEAR, "reinit@1": NOISY}, 6)["A-1"]
    assert (few.verdict, few.look, few.replicates, few.pass_level) == ("PASS", 1, 6, 0.04 / 2)


def test_a_gate_that_fails_at_the_first_look_is_not_asked_again() -> None:
    found = verdicts(two(), {"ticket@1": CLEAR, "reinit@1": NOISY, "dense@0": -30 + np.zeros(N)})
    assert {(c.verdict, c.look) for c in found.values()} == {("BLOCKED", 1)}


def test_verdicts_of_two_looks_survive_being_written() -> None:
    found = two()
    judged = judge(found, "toys", 0, table(found, {"ticket@1": 60 + CLEAR, "reinit@1": 60 + NOISY}))
    assert from_json(to_json(judged)) == judged


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_only_what_is_inconclusive_goes_on(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = two()
    values = {c: rng.normal(rng.uniform(-2, 3), 1.5, N) for c in ("ticket@1", "reinit@1")}
    whole = verdicts(found, values)
    one_look = registry(*found.claims.values(), alpha=0.04)
    first = verdicts(one_look.__class__(
        {c.id: c.model_copy(update={"suites": {"toys": c.suites["toys"].model_copy(update={"replicates": FIRST})}})
         for c in found.claims.values()}, one_look.suites, one_look.experiments), values)  # fmt: skip
    for name, verdict in whole.items():
        assert (verdict.look == 2) == (first[name].verdict == "INCONCLUSIVE")
        if verdict.look == 1:
            assert verdict.verdict == first[name].verdict
            assert verdict.p_pass == first[name].p_pass


def test_a_first_look_is_whole_blocks_and_leaves_alpha() -> None:
    one = claim("A-1", line("ticket@1", 60.0))
    with pytest.raises(ValueError, match="not whole blocks of 5"):
        registry(one, first_look={"replicates": 7, "alpha": 0.01})
    with pytest.raises(ValueError, match=r"leaves nothing of 0\.05"):
        registry(one, first_look={"replicates": 5, "alpha": 0.05})
