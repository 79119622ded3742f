"""How an implementation stands, as Markdown: the verdict, then what each of the three ways saw."""

from collections.abc import Iterator

from lthbench.judging.dock.invariants import Invariant
from lthbench.judging.dock.reference_points import POWER, Point
from lthbench.judging.dock.standing import Standing
from lthbench.report.numbers import deciding

Row = tuple[str, ...]
INVARIANTS = ("invariant", "it", "what was seen")
POINTS = ("arm", "endpoint", "theirs", "reference", "difference [95 % interval]", "margin", "noticed", "decision")
CLAIMS = ("claim", "on its numbers", "on the reference's", "mean [95 % interval]", "what it says")
ENDPOINTS = {"final_test_accuracy": "final test accuracy", "validation_curve_area": "area under the curve"}
NOTE = (
    "Margin: the smallest by which a sound implementation would be confirmed with a power of "
    f"{100 * POWER:.0f} %, at this noise and number of replicates. Noticed: the smallest true difference that "
    "would be called one about as often."
)


def invariant_row(each: Invariant) -> Row:
    """An invariant in a table."""
    return each.says, each.state, each.detail


def point_row(each: Point) -> Row:
    """An arm beside the reference's in a table; accuracies in percent, differences in pp."""
    e = each.evidence
    difference = "a run diverged" if e is None else f"{e.mean:+.2f} [{e.low:+.2f}, {e.high:+.2f}]"
    says = {"PASS": "the reference's", "FAIL": "DIFFERENT", "INCONCLUSIVE": "undecided"}[each.decision]
    return (
        each.cell, ENDPOINTS[each.endpoint], f"{each.theirs:.2f}", f"{each.reference:.2f}", difference,
        f"{each.delta:.2f}", f"{each.noticed:.2f}", says,
    )  # fmt: skip


def claim_rows(standing: Standing) -> Iterator[Row]:
    """The claims, on both tables."""
    reference = {claim.id: claim.verdict for claim in standing.reference.claims}
    for claim in standing.verdicts.claims:
        row = claim.id, claim.verdict, reference.get(claim.id, "–"), deciding(claim), claim.registered_title
        yield row


def markdown(name: str, standing: Standing) -> str:
    """The whole page."""
    parts = [f"# {name} in the dock", standing.words(), standing.diagnosis(), "## Invariants"]
    parts += [table(INVARIANTS, map(invariant_row, standing.invariants)), "## Claims"]
    parts += [table(CLAIMS, claim_rows(standing)), "## Beside the reference implementation"]
    parts += [table(POINTS, map(point_row, standing.points)), NOTE]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Row, rows: "Iterator[Row]") -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
