"""Names in a stranger's table that no claim reads: arms, levels and metrics, beside what claims do read there."""

from collections.abc import Sequence

from lthbench.claims.load import Registry, cells
from lthbench.judging.table import Table
from lthbench.recipe.arms import ARMS
from lthbench.results.format import is_known
from lthbench.words import choices, nearest, shown

MOST_NAMED = 4


def unread(registry: Registry, suite: str, table: Table) -> list[str]:
    """Arms, levels and metrics of known experiments that no claim of a suite reads, with what it does read."""
    said = []
    registrations = [registration for _, registration in registry.registrations(suite)]
    readable = [cell for registration in registrations for cell in cells(registration)]
    endpoints = dict.fromkeys(line.endpoint for registration in registrations for line in registration.lines())
    for name in map(str, table.table["experiment"].unique()):
        rows = table.table[table.table["experiment"] == name]
        here = [cell for cell in readable if cell.experiment == name]
        if not here:
            continue
        arms = list(dict.fromkeys(cell.arm for cell in here))
        strange = [arm for arm in rows["arm"].unique() if arm not in arms and arm not in ARMS]
        if strange:
            spelled = ", ".join(f"'{shown(arm)}'" + spelling(arm, arms) for arm in strange[:MOST_NAMED])
            said.append(f"{name}: no claim reads arm {spelled}; the arms read are {', '.join(arms)}")
        for arm in arms:
            own = rows[rows["arm"] == arm]
            if len(own) and not any(table.metrics(cell) or cell.percent for cell in here if cell.arm == arm):
                levels = sorted({int(level) for level in own["level"].dropna()})
                read = ", ".join(dict.fromkeys(cell.label for cell in here if cell.arm == arm))
                there = f"level {', '.join(map(str, levels))}" if levels else "no level"
                said.append(f"{name}: arm '{arm}' is there at {there}; claims read {read}")
        for metric in rows["metric"].unique():
            if not is_known(metric):
                said.append(f"{name}: no claim reads metric '{shown(metric)}'; {choices(metric, endpoints)}")
    return said


def spelling(name: str, known: Sequence[str]) -> str:
    """` (dense?)` after a name that looks like a known one."""
    return "".join(f" ({near}?)" for near in nearest(name, known))
