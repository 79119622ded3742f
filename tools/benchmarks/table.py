"""`python -m tools.benchmarks`: measure the cases group by group and print one table."""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.table import Table

from lthbench.errors import PASS, UserError
from lthbench.files import write_text
from lthbench.training.device import prepare
from tools.benchmarks.cases import CASES, Case, available, lacking
from tools.benchmarks.measure import machine, measure, summary
from tools.benchmarks.setting import FULL, QUICK, Setting

ROUNDS = {"full": 5, "quick": 2}


def chosen(only: str, device: torch.device) -> list[Case]:
    """The cases whose name begins with `only`, and those that they are compared with."""
    named = [case for case in CASES if case.name.startswith(only) and available(case, device)]
    absent = left_out(only, device, ("", "cuda", "reference"))
    if not named and absent:
        raise UserError(absent[0])
    if not named:
        known = ", ".join(case.name for case in CASES if available(case, device))
        raise UserError(f"no benchmark is called '{only}'; there are: {known}")
    beside = {case.against for case in named}
    return [case for case in CASES if case in named or (case.name in beside and available(case, device))]


def left_out(only: str, device: torch.device, needs: Sequence[str] = ("reference",)) -> list[str]:
    """A line for each case of that name that needs one of `needs` and has it not here."""
    cases = [case for case in CASES if case.name.startswith(only) and case.needs in needs]
    return [f"{case.name} is not measured: it needs {lack}" for case in cases if (lack := lacking(case, device))]


def measured(cases: Sequence[Case], setting: Setting, rounds: int) -> Iterator[list[dict[str, Any]]]:
    """The numbers of each group as soon as it is measured."""
    for _, members in groupby(cases, key=lambda case: case.group):
        group = measure(members, setting, rounds)
        by_name = {member.case.name: member for member in group}
        yield [summary(member, by_name) for member in group]


def bench(device: str, only: str, quick: bool, file: Path | None, console: Console) -> int:
    """Measure, print, and write the numbers to `file`; the exit code is that of success."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # the deterministic cases need it from the start
    setting = Setting(prepare(device), QUICK if quick else FULL)
    cases: list[dict[str, Any]] = []
    with console.status("measuring"):
        for rows in measured(chosen(only, setting.device), setting, ROUNDS["quick" if quick else "full"]):
            cases += rows
    content = {"machine": machine(setting.device), "notes": sorted(setting.notes), "cases": cases}
    wide = console if console.is_terminal else Console(width=max(console.width, 130))
    wide.print(drawn(cases))
    for line in [*words(content), *left_out(only, setting.device)]:
        console.print(line, highlight=False)
    if file is not None:
        write_text(file, json.dumps(content, indent=1) + "\n")
    return PASS


def drawn(rows: Sequence[dict[str, Any]]) -> Table:
    """The table."""
    table = Table(title="milliseconds per unit, medians", title_justify="left")
    for heading in ("case", "ms", "min..max", "floor ms", "x floor", "compared with", "by clock", "by CPU time"):
        side: Literal["left", "right"] = "left" if heading in ("case", "compared with") else "right"
        table.add_column(heading, justify=side, no_wrap=True)
    for row in rows:
        compared = row["ratio"] is not None
        table.add_row(
            row["case"],
            short(row["ms"]),
            f"{short(row['ms_min'])}..{short(row['ms_max'])}",
            short(row["floor_ms"]),
            short(row["times_the_floor"]),
            row["compared_with"] or "",
            f"{row['ratio']:.2f}x" if compared else "",
            f"{row['cpu_ratio']:.2f}x" if compared else "",
        )
    return table


def short(value: float) -> str:
    """Three digits, no exponents."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def words(content: dict[str, Any]) -> list[str]:
    """What a reader needs to know beside the table."""
    of = content["machine"]
    units: dict[tuple[str, str], list[str]] = {}
    for row in content["cases"]:
        units.setdefault((row["unit"], row["floor"]), []).append(row["case"])
    return [
        *(f"{', '.join(names)}: one {unit}; floor: {floor}." for (unit, floor), names in units.items()),
        *(f"{note}." for note in content["notes"]),
        f"{of['gpu'] or of['processor']}, {of['cores']} cores, {of['threads']} thread; torch {of['torch']}, "
        f"Python {of['python']}, lthbench {of['lthbench']}; {of['date']}. Compared cases ran in turn; "
        "how many times faster than the other: the median over rounds, by the clock and by processor time.",
    ]
