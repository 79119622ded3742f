"""Worlds in which the truth is known, made from the committed tables by exchanging arms: no claim may PASS.

Each goes through the real judge. Where a gate notices the exchange the claim is BLOCKED, and is judged once more
with the gates off, by the numbers alone. FC-1 is put to the reinitialised ticket and not to dense and ticket
exchanged: dense is within its margin of the ticket, so that the sentence is true the other way round as well.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from lthbench.claims.load import Registry, load
from lthbench.judging.gates.accuracy import ACCURACIES
from lthbench.judging.judge import judge
from lthbench.judging.verdict import ClaimVerdict
from lthbench.results.tidy import read
from tools.mutants.reduced import reduced

REFERENCE = Path(__file__).parents[2] / "reports/reference/quick"
MLP, DEEP = "mnist1d-mlp", "mnist1d-deep-bn"
STRUCTURE = ("mask_crc32", "nonzero:")  # what gates look at; everything else is a number the claims are about
STARTS = ("start_", "rate_total", "wrongly_pruned", "rewind_validation_loss")
EVERY = ("FC-1", "FC-6", "FC-8", "ST-2", "ST-1", "FC-7", "LMC-1")
Cell = tuple[str, str, int]


EXAMPLES = 20_000  # each network is tested on
N = 8  # replicates of the first look: all claims have them


@pytest.fixture(scope="module")
def registry() -> Registry:
    """The registration with one look at N replicates: every verdict follows from what the tables hold."""
    return reduced(load(), "quick", N)


@pytest.fixture(scope="module")
def whole() -> list[pd.DataFrame]:
    read_in = [read(REFERENCE / f"seed-{seed}" / "tidy.csv.gz") for seed in (0, 1, 2)]
    return [table[table["replicate"] < N] for table in read_in]


@pytest.fixture(scope="module")
def tables(whole: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Without the metrics on starts, whose gates see an exchanged arm at once: the numbers have to."""
    return [table[~table["metric"].str.startswith(STARTS)] for table in whole]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("world", ["null", "reversed"])
def test_the_metrics_on_starts_give_exchanged_arms_away(registry, whole, world: str, seed: int) -> None:
    made = null_world(whole[seed], True) if world == "null" else reversed_world(whole[seed], True)
    found = verdicts(registry, made)
    start = dict.fromkeys(("FC-1", "FC-6", "FC-8"), f"{MLP}: start of every network")
    for claim, gate in (start | {"ST-2": f"{DEEP}: learning rates"}).items():  # a rewound run trains T - k
        assert found[claim].verdict == "BLOCKED"
        assert gate in [g.name for g in found[claim].gates if not g.passed]


def verdicts(registry: Registry, table: pd.DataFrame) -> dict[str, ClaimVerdict]:
    return {claim.id: claim for claim in judge(registry, "quick", 0, table).claims}


def words(found: dict[str, ClaimVerdict]) -> dict[str, str]:
    return {claim: verdict.verdict for claim, verdict in found.items()}


@pytest.fixture
def numbers_alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr("lthbench.judging.judge.claim_gates", lambda *about: ([], []))


def of(table: pd.DataFrame, cell: Cell) -> pd.Series:
    """The rows of a cell."""
    experiment, arm, level, *_ = cell
    return (table["experiment"] == experiment) & (table["arm"] == arm) & (table["level"] == level)


def secretly(
    table: pd.DataFrame, worlds: dict[Cell, Cell], structure: bool = True, others: int = 0, draws: int = 1
) -> pd.DataFrame:
    """Every cell named holds the runs of another one instead.

    `structure` False leaves a cell its own masks and counts. `others` takes the runs of other replicates, so that
    two cells with the same arm in them are two samples. `draws` are kept where the other cell has several.
    """
    moved = ~table["metric"].str.startswith(STRUCTURE) if not structure else pd.Series(True, index=table.index)
    gone = pd.Series(False, index=table.index)
    parts = []
    for cell, source in worlds.items():
        rows = table[of(table, source) & moved & (table["draw"] < draws)].copy()
        assert len(rows)
        rows[["experiment", "arm", "level"]] = cell
        rows["replicate"] = (rows["replicate"] + others) % N
        parts.append(rows)
        gone |= of(table, cell) & moved
    return pd.concat([table[~gone], *parts], ignore_index=True)


def drop_draw(table: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """A cell without its first draw, which is another arm now."""
    hit = of(table, cell)
    table = table[~(hit & (table["draw"] == 0))].copy()
    table.loc[of(table, cell), "draw"] -= 1
    return table


def null_world(table: pd.DataFrame, structure: bool) -> pd.DataFrame:
    """Tickets are one more reinitialisation, rewinding does nothing, reinitialisation costs where it should not,
    and the shallow network is as unstable as the deep one.
    """
    made = secretly(table, {(MLP, "ticket", 9): (MLP, "reinit", 9)}, structure)
    made = drop_draw(made, (MLP, "reinit", 9))
    made = secretly(made, {(DEEP, "rewound", 5): (DEEP, "ticket", 5)}, structure, others=1)
    made = secretly(made, {(DEEP, "reinit", 2): (DEEP, "ticket", 5)}, structure)
    return secretly(made, {(MLP, "dense-copy", 0): (DEEP, "dense-copy", 0)}, structure)


def reversed_world(table: pd.DataFrame, structure: bool, copies: bool = True) -> pd.DataFrame:
    """Every arm has changed places with its control, and so have (`copies`) the two networks' dense copies."""
    pairs = [((MLP, "ticket", 9), (MLP, "reinit", 9)), ((DEEP, "rewound", 5), (DEEP, "ticket", 5))]
    if copies:
        pairs.append(((MLP, "dense-copy", 0), (DEEP, "dense-copy", 0)))
    return secretly(table, dict(pairs) | {b: a for a, b in pairs}, structure)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_in_a_null_world_nothing_passes(registry, tables, numbers_alone, seed: int) -> None:
    whole = null_world(tables[seed], structure=True)
    found = verdicts(registry, whole)
    # A secret reinitialisation wears the ticket's own mask, and a ticket passed off as a rewound one is as sparse:
    # no gate can see either, the numbers have to.
    assert found["ST-2"].verdict in ("FAIL", "INCONCLUSIVE")
    # Not a null world for FC-7: fresh weights on the ticket's mask are 2.5 pp better than a random mask.
    assert words(found) | {"FC-7": "", "ST-2": ""} == {
        "FC-1": "FAIL", "FC-6": "FAIL", "FC-8": "FAIL", "ST-2": "", "ST-1": "BLOCKED", "FC-7": "",
        "LMC-1": "BLOCKED",
    }  # fmt: skip
    failed = {claim: {g.name for g in v.gates if not g.passed} for claim, v in found.items()}
    assert any("weights remaining" in name for name in failed["ST-1"])
    assert any("weights remaining" in name for name in failed["LMC-1"])
    numbers_alone()
    for table in (whole, null_world(tables[seed], structure=False)):
        alone = words(verdicts(registry, table))
        alone.pop("FC-7")
        assert set(alone.values()) <= {"FAIL", "INCONCLUSIVE"}
        assert (alone["ST-1"], alone["LMC-1"]) == ("FAIL", "FAIL")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_in_a_reversed_world_the_claims_fail(registry, tables, numbers_alone, seed: int) -> None:
    affected = ("FC-1", "FC-6", "FC-8", "ST-2", "LMC-1")
    found = words(verdicts(registry, reversed_world(tables[seed], structure=True, copies=False)))
    # Exchanged arms are as sparse as one another, and wear the same masks or are not asked to: no gate sees it.
    assert {found[claim] for claim in affected[:-1]} <= {"FAIL", "INCONCLUSIVE"}
    numbers_alone()
    alone = words(verdicts(registry, reversed_world(tables[seed], structure=False)))
    assert {alone[c] for c in affected} <= {"FAIL", "INCONCLUSIVE"}
    assert [alone[c] for c in ("FC-1", "FC-6", "FC-8", "LMC-1")] == ["FAIL"] * 4
    assert alone["ST-2"] == "FAIL"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_three_replicates_decide_nothing(registry, tables, seed: int) -> None:
    few = tables[seed][tables[seed]["replicate"] < 3]
    assert set(words(verdicts(registry, few)).values()) == {"NOT RUN"}
    # Registered with 3 (which loading refuses): all is there, every gate passes, and 2^-3 is above any level.
    claims = {
        name: claim.model_copy(
            update={"suites": {"quick": claim.suites["quick"].model_copy(update={"replicates": 3})}}
        )
        for name, claim in registry.claims.items()
        if "quick" in claim.suites
    }
    found = words(verdicts(replace(registry, claims=registry.claims | claims), few))
    assert set(found.values()) == {"INCONCLUSIVE"}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_sixty_times_as_large_decides_nothing(registry, tables, seed: int) -> None:
    table = tables[seed].copy()
    loud = ~table["metric"].str.startswith(STRUCTURE)
    keys = ["experiment", "arm", "level", "metric", "iteration"]
    means = table.groupby(keys, dropna=False)["value"].transform("mean")
    table.loc[loud, "value"] = means + 60 * (table["value"] - means)
    found = verdicts(registry, table)
    assert set(words(found).values()) == {"BLOCKED"}
    # Such accuracies are no whole number of test examples; and some collapse, where that is registered.
    for verdict in found.values():
        failed = [gate.name for gate in verdict.gates if not gate.passed]
        assert all("accuracies of dense@0" in name or "collapses" in name for name in failed)
    accuracies = table["metric"].isin(ACCURACIES)
    table.loc[accuracies, "value"] = (table["value"] * EXAMPLES / 100).round() * 100 / EXAMPLES
    found = verdicts(registry, table)
    assert words(found) | {"ST-2": ""} == dict.fromkeys(found, "INCONCLUSIVE") | {"ST-2": ""}
    assert found["ST-2"].verdict != "PASS"
    assert any(collapses.collapsed for verdict in found.values() for collapses in verdict.collapses)
