"""What it took to find a method's tickets, in optimizer steps, beside the reference's."""

from collections.abc import Iterator

from lthbench.claims.dock import IN_PLACE_OF
from lthbench.plan.run import Run
from lthbench.results.tidy import read

FOUND = IN_PLACE_OF["ticket"]
METRIC = "search_iterations"


def lines(run: Run) -> Iterator[str]:
    """A line on what finding one ticket took: the mean of the replicates, and the reference by arithmetic."""
    table = read(run.scope_folder / "tidy.csv")
    for experiment, steps in table[table["metric"] == METRIC].groupby("experiment")["value"]:
        units = [unit for unit in run.units() if unit.experiment.id == experiment]
        if units[0].experiment.ticket:
            continue
        level = next(unit.level for unit in units if unit.arm == FOUND)
        dense = units[0].experiment.training.iterations
        taken, reference = steps.mean(), level * dense
        yield (
            f"Finding a ticket took {taken:,.0f} optimizer steps, {trainings(taken / dense)} of the dense "
            f"network; iterative pruning to the same density takes {reference:,} ({trainings(level)})."
        )


def trainings(count: float) -> str:
    """So many trainings."""
    return "1 training" if count == 1 else f"{count:.3g} trainings"
