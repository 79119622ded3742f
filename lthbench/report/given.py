"""The parts of a report that are particular to results lthbench did not train: sources, groups, counter-claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lthbench.claims.load import Registry, cells
from lthbench.claims.schema import Claim, Registration, Released
from lthbench.judging.table import parted
from lthbench.judging.verdict import ORIGINS, LineResult, Verdicts
from lthbench.report import numbers
from lthbench.report.figures.given_density import MEASURES, given_density_plot
from lthbench.report.figures.rewinding import rewinding_plot
from lthbench.report.figures.style import Picture, slug
from lthbench.stats.groups import Group

SAID = {
    "own": "",
    "published": (
        "Verdicts on published data: other groups measured these numbers. They say what those data show under the "
        "registered rules, and none of them is a replication by this project."
    ),
    "given": (
        "Verdicts on the results given: somebody else's table, judged as it is. lthbench trained nothing and "
        "cannot know how these numbers were made."
    ),
}


TESTS = {"welch": "Welch's t test", "pooled": "the pooled t test"}


@dataclass(frozen=True)
class Counter:
    """A claim that qualifies another, with its verdict where this report has one."""

    id: str
    kind: str
    title: str
    verdict: str
    anchor: str | None
    suites: str


def counters(registry: Registry, claim: Claim, verdicts: Verdicts) -> list[Counter]:
    """The claims that limit or contradict this one, wherever they are judged."""
    here = {verdict.id: verdict.verdict for verdict in verdicts.claims}
    return [
        Counter(
            other.id,
            other.kind,
            other.title,
            here.get(other.id, ""),
            slug(other.id) if other.id in here else None,
            ", ".join(other.suites),
        )
        for other in registry.claims.values()
        if claim.id in other.qualifies
    ]


def group_words(line: LineResult) -> str:
    """The two groups of an unpaired line, how they were weighed, and the tests that decide nothing."""
    parts = []
    if line.groups:
        parts.append(" against ".join(one_group(group) for group in line.groups))
    if line.how:
        parts.append(line.how)
    evidence = line.evidence or {}
    if "df" in evidence:
        parts.append(f"standard error {evidence['se']:.3f}, {evidence['df']:.1f} degrees of freedom")
    for test in ("welch", "pooled"):
        if evidence.get(f"{test}_p_pass") is not None:
            p = (numbers.p_value(evidence[f"{test}_p_{side}"]) for side in ("pass", "fail"))
            parts.append(f"{TESTS[test]} alone, deciding nothing: p {' for and '.join(p)} against")
    if line.undecidable:
        parts.append(f"no test: {line.undecidable}")
    return "; ".join(parts)


def one_group(group: Group) -> str:
    """`76.10 ± 0.16 (n = 3)`."""
    if group.fixed:
        return numbers.short(group.mean)
    spread = f" ± {group.sd:.2f}" if group.sd is not None else ""
    return f"{group.mean:.2f}{spread} (n {'not stated' if group.n is None else f'= {group.n}'})"


def sweep_words(line: LineResult) -> str:
    """What other margins would have given, the one that decides among them."""
    if not line.sweep:
        return ""
    decisions = {float(margin): str(decision) for margin, decision in line.sweep}
    decisions[line.delta] = f"{line.decision} (decides)"
    return f"{line.id}: " + ", ".join(
        f"{margin:g} {line.unit} {decisions[margin]}" for margin in sorted(decisions)
    )


def what_was_given(
    registry: Registry, verdicts: Verdicts, registration: Registration
) -> list[tuple[str, list[tuple[str, str]]]]:
    """The experiments a claim looks at: in words for released results, by name for a stranger's."""
    arms: dict[str, list[str]] = {}
    for cell in cells(registration):
        arms.setdefault(cell.experiment, []).append(cell.arm)
    parts = []
    for name, used in arms.items():
        if verdicts.origin != "published":
            whose = "whoever made the table; lthbench knows the experiment's name and no more"
            parts.append((name, [("Measured by", whose), ("Arms", ", ".join(dict.fromkeys(used)))]))
            continue
        released = registry.suites[verdicts.suite].experiments[name]
        says = "; ".join(f"{arm}: {released.arms[arm]}" for arm in dict.fromkeys(used))
        parts.append((name, [("Arms", says), ("Source", released.source)]))
    return parts


def released_rows(released: Released) -> list[tuple[str, str]]:
    """A released experiment in words."""
    keys = ("network", "data", "training", "pruning", "source", "licence")
    return [(key.capitalize(), getattr(released, key)) for key in keys]


def given_pictures(registry: Registry, verdicts: Verdicts, table: pd.DataFrame) -> dict[str, list[Picture]]:
    """By experiment: accuracy or BLEU over density, and over the rewind epoch where arms differ in it."""
    wanted: dict[str, list[str]] = {}
    judged = {verdict.id for verdict in verdicts.claims if verdict.verdict != "NOT RUN"}
    for claim, registration in registry.registrations(verdicts.suite):
        for cell in cells(registration) if claim.id in judged else []:
            wanted.setdefault(cell.experiment, []).append(cell.arm)
    pictures, (measured, _) = {}, parted(table)
    for name, arms in wanted.items():
        rows = measured[measured["experiment"] == name]
        metric = next((metric for metric in MEASURES if rows["metric"].eq(metric).any()), "")
        rows = rows[rows["metric"] == metric]
        if rows.empty:
            continue
        rewinds = rows[rows["arm"].str.contains(r"-epoch-\d+$", regex=True)]
        drawn = [
            rewinding_plot(rows, name)
            if not rewinds.empty
            else given_density_plot(rows, name, list(dict.fromkeys(arms)), metric)
        ]
        pictures[name] = [picture for picture in drawn if picture]
    return pictures


def origin_words(verdicts: Verdicts) -> str:
    """`on published data`, or nothing for our own runs."""
    return ORIGINS[verdicts.origin]


def source_lines(provenance: Sequence[dict[str, Any]]) -> list[str]:
    """Files that results came from, each with what is to be known about it."""
    return [
        line
        for entry in provenance
        if "file" in entry
        for line in (f"{entry['file']} (sha256 {str(entry['sha256'])[:16]})", *entry.get("notes", ()))
    ]
