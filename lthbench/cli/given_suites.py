"""What `list` and `plan` show of suites that train nothing."""

from rich.table import Table

from lthbench.claims.load import Registry
from lthbench.plan.run import Run


def listing(registry: Registry, suite: str) -> Table:
    """The claims of a suite of given results."""
    given = registry.given_suites[suite]
    table = Table(title=f"suite {suite}: {given.title} (nothing is trained)", title_justify="left")
    for heading in ("claim", "kind", "hypotheses", "qualifies", "title", "on these data"):
        table.add_column(heading)
    for claim, reanalysis in registry.reanalyses(suite):
        qualifies = ", ".join(claim.qualifies)
        row = (claim.id, claim.kind, str(len(reanalysis.hypotheses)), qualifies, claim.title, reanalysis.title)
        table.add_row(*row)
    return table


def plan(run: Run) -> Table:
    """The experiments whose released results a run would judge."""
    from lthbench.published.adapters import published

    results = published()
    asked = {
        place.experiment
        for claim, reanalysis in run.registry.reanalyses(run.suite)
        if not run.claims or claim.id in run.claims
        for line in reanalysis.lines()
        for place in line.contrast.places(reanalysis.experiment)
    }
    title = f"plan of {run.suite}: nothing to train, {len(asked)} experiments of others to judge"
    table = Table(title=title, title_justify="left")
    for heading in ("experiment", "arms", "rows", "source"):
        table.add_column(heading)
    for name, released in run.registry.given_suites[run.suite].experiments.items():
        if name in asked:
            mine = results[results["experiment"] == name]
            table.add_row(name, str(mine["arm"].nunique()), str(len(mine)), released.source)
    return table
