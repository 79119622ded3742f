"""What `list` and `plan` show of suites that train nothing."""

from rich.table import Table

from lthbench.claims.load import Registry, cells
from lthbench.plan.run import Run


def listing(registry: Registry, suite: str) -> Table:
    """The claims of a suite of given results."""
    given = registry.suites[suite]
    table = Table(title=f"suite {suite}: {given.title} (nothing is trained)", title_justify="left")
    for heading in ("claim", "kind", "hypotheses", "qualifies", "title", "on these data"):
        table.add_column(heading)
    for claim, registration in registry.registrations(suite):
        qualifies = ", ".join(claim.qualifies)
        count = str(len(registration.hypotheses))
        row = (claim.id, claim.kind, count, qualifies, claim.title, registration.title)
        table.add_row(*row)
    return table


def plan(run: Run) -> Table:
    """The experiments whose released results a run would judge."""
    from lthbench.published.adapters import published

    results = published()
    asked = {
        cell.experiment
        for claim, registration in run.registry.registrations(run.suite)
        if not run.claims or claim.id in run.claims
        for cell in cells(registration)
    }
    title = f"plan of {run.suite}: nothing to train, {len(asked)} experiments of others to judge"
    table = Table(title=title, title_justify="left")
    for heading in ("experiment", "arms", "rows", "source"):
        table.add_column(heading)
    for name, released in run.registry.suites[run.suite].experiments.items():
        if name in asked:
            rows = results[results["experiment"] == name]
            table.add_row(name, str(rows["arm"].nunique()), str(len(rows)), released.source)
    return table
