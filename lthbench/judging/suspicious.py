"""What is suspicious in a stranger's table, said before the verdicts.

A table can be well formed and still not be what it says: every run twice under other labels, seeds without an
effect, draws for some replicates only, decimals that no measurement has. None of this is proof, so it is said.
(A claim that rests on copies is blocked by `lthbench.judging.gates.own_runs`.)
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import special

from lthbench.claims.load import Registry
from lthbench.judging.gates.accuracy import ACCURACIES, TEST_EXAMPLES
from lthbench.judging.gates.own_runs import CELL, SAME, twins
from lthbench.judging.table import Table
from lthbench.words import shown

FALSE_ALARM = 1e-4  # of one table with honest last digits
LISTED = 3


def suspicions(registry: Registry, table: Table) -> list[str]:
    """What a reader should know, one sentence each; empty for a table of ordinary runs."""
    runs = table.table[table.table["replicate"] != ""]
    said: list[str] = []
    for name in map(str, runs["experiment"].unique()):
        rows = runs[runs["experiment"] == name]
        odd = [*twin_words(rows), *constant_words(rows), *draw_words(rows), *digit_words(registry, name, rows)]
        said += [f"suspicious, {shown(name)}: {words}" for words in odd]
    return said


def twin_words(rows: pd.DataFrame) -> Iterator[str]:
    """Runs that are there again under another label."""
    again = twins(rows)
    if again:
        some = "; ".join(" = ".join(shown(str(label)) for label in labels) for labels in again[:LISTED])
        more = f"; and {len(again) - LISTED} more" if len(again) > LISTED else ""
        yield f"replicates agree in all their values under other labels ({some}{more}): copies are no replicates"


def final_accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """The accuracies of finished runs, one row each."""
    return rows[rows["metric"].isin(ACCURACIES) & rows["value"].notna()]


def constant_words(rows: pd.DataFrame) -> Iterator[str]:
    """Cells whose seeds had no effect."""
    named = []
    for _, own in final_accuracies(rows).groupby([*CELL, "metric"], dropna=False):
        first = own.iloc[0]
        if own["replicate"].nunique() >= SAME and own["value"].nunique() == 1 and first["value"] < 100:
            where = f"@{first['level']}" if pd.notna(first["level"]) else f"@{100 * first['density']:g}%"
            named.append(f"{shown(first['arm'])}{where} {first['metric']} {first['value']:g}")
    if named:
        more = f" and {len(named) - LISTED} more" if len(named) > LISTED else ""
        yield f"all replicates have one value ({', '.join(named[:LISTED])}{more}): did the seed have an effect?"


def draw_words(rows: pd.DataFrame) -> Iterator[str]:
    """Arms with more draws in some replicates than in others."""
    where = [*CELL, "metric", "iteration"]
    draws = rows.groupby([*where, "replicate"], dropna=False, sort=False)["draw"].nunique()
    fewest, most = (draws.groupby(where, dropna=False, sort=False).agg(how) for how in ("min", "max"))
    uneven = fewest < most
    if uneven.any():
        arm, least, top = fewest[uneven].index[0][0], fewest[uneven].iloc[0], most[uneven].iloc[0]
        yield (
            f"{shown(arm)} has {least} to {top} draws per replicate: means of fewer draws are "
            "noisier, and leaving draws out can choose them"
        )


def digit_words(registry: Registry, name: str, rows: pd.DataFrame) -> Iterator[str]:
    """Last digits that agree far too often, as far as the test set resolves them."""
    decimals = resolved_decimals(registry, name)
    accuracies = final_accuracies(rows)
    values = accuracies.drop_duplicates([*CELL, "metric", "value"])["value"].to_numpy(dtype=float)
    if decimals < 1 or len(values) < 2:
        return
    digits = np.round(values * 10**decimals).astype(np.int64) % 10
    most = int(np.bincount(digits, minlength=10).max())
    chance = 10 * float(special.bdtrc(most - 1, len(values), 0.1))
    if chance <= FALSE_ALARM:
        digit = int(np.bincount(digits, minlength=10).argmax())
        place = {1: "first", 2: "second"}.get(decimals, f"{decimals}th")
        yield (
            f"{most} of {len(values)} different accuracies have {digit} as {place} decimal; by chance that "
            f"happens with probability {chance:.0e}"
        )


def resolved_decimals(registry: Registry, name: str) -> int:
    """How many decimals of a percentage the test set of an experiment resolves; two where that is not known."""
    experiment = registry.experiments.get(name)
    total = (experiment.data.test or TEST_EXAMPLES.get(experiment.data.name)) if experiment else None
    return 2 if total is None else math.floor(math.log10(total / 100) + 1e-9)
