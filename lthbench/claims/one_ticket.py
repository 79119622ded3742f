"""Registered claims put to one ticket that is there already: the files of the dock, in words about this ticket.

What is concluded is conditional on the ticket: on its mask and, where its file has start weights, on them.
"""

from collections.abc import Sequence
from typing import Any

from lthbench.claims import dock
from lthbench.claims.dock import AS_GOOD, IN_PLACE_OF, SUITE, Rung
from lthbench.claims.load import Registry
from lthbench.errors import UserError
from lthbench.recipe.experiment import Experiment
from lthbench.recipe.ticket import Starts
from lthbench.words import as_registered

NEED_START = (
    IN_PLACE_OF["reinit"],
    IN_PLACE_OF["shuffled"],
)  # they differ from the ticket in its start weights alone
REPLICATES = "Replicates differ in the order of the data, and in split and draw where those are random."
OWN = "The verdicts speak of this ticket only, conditional on its initialisation"
SPEAKS_OF = {
    "all": f"{OWN}: dense, random masks and iterative pruning start from the file's weights as well. {REPLICATES}",
    "ticket": f"{OWN}. Its pruned start weights are gone, so dense, random masks and iterative pruning start from "
    f"new initialisations, one per replicate. {REPLICATES}",
    "mask": "The verdicts speak of this mask only: its file holds no start weights, so every replicate has a new "
    "initialisation, which the mask, dense, random masks and iterative pruning share.",
}
OTHERS = "other initialisations: whether this mask, or the way it was found, would do as well there"
NOT_TESTED = {
    "all": (OTHERS,),
    "ticket": (OTHERS, "that it matches the dense network that it was cut from, whose start weights are gone"),
    "mask": ("whether it is a winning ticket: that is a mask with the weights it starts from",),
}


def files(
    registry: Registry,
    source: str,
    claims: Sequence[str],
    experiment: Experiment,
    chance: float,
    rung: Rung,
    replicates: int,
    name: str,
    starts: Starts,
) -> dict[str, Any]:
    """The files of a suite about the ticket called `name`; UserError for a claim that needs what it lacks."""
    written = dock.files(registry, source, claims, experiment, chance, rung, replicates)
    suite = written[f"suites/{SUITE}.yaml"]
    suite["title"] = f"{name} on {experiment.title}"
    suite["says"] = f"Exploratory, with the margins of suite {source}. {SPEAKS_OF[starts]}"
    suite["block"] = min(4, replicates)
    for id in suite["claims"]:
        title = registry.claims[id].title if id in registry.claims else ""
        written[f"{id}.yaml"] = about_one(written[f"{id}.yaml"], title, name, starts, rung)
    return written


def about_one(claim: dict[str, Any], title: str, name: str, starts: Starts, rung: Rung) -> dict[str, Any]:
    """A claim of the dock in words about one ticket."""
    entry = claim["suites"][SUITE]
    lines = [
        line for line in (*entry["hypotheses"], *entry["beside"]) if starts != "mask" or not needs_start(line)
    ]
    deciding = [line for line in entry["hypotheses"] if line in lines]
    if not deciding:
        raise UserError(
            f"{claim['id']}: is about a ticket's start weights, and {name} has none; leave it out, or "
            "import the ticket with --start FILE"
        )
    thing = "this mask" if starts == "mask" else "this ticket"
    for line in lines:
        line["says"] = line["says"].replace("the found ticket", thing).replace("found ticket", thing)
        if starts == "ticket" and "dense@0" in line["contrast"].values():
            line["says"] += "; dense networks are newly initialised"
    if claim["id"] == AS_GOOD:
        claim |= {"title": f"{thing.capitalize()} is as good as those of iterative magnitude pruning"}
        claim |= {"sentence": f"{thing.capitalize()} {str(dock.AS_GOOD_CLAIM['sentence']).partition('finds ')[2]}"}
    of = f"{name}, {100 * rung.density:.3g} % of the weights"
    entry |= {
        "title": f"{dock.AT_SCALE.sub('', title or claim['title'])} ({of})",
        "hypotheses": deciding,
        "beside": [line for line in entry["beside"] if line in lines],
        "not_tested": list(NOT_TESTED[starts]),
    }
    return claim | {"conditions": [SPEAKS_OF[starts], *claim["conditions"]]}


def needs_start(line: dict[str, Any]) -> bool:
    """Whether a line compares with an arm that differs from the ticket in its start weights alone."""
    return any(str(side).partition("@")[0] in NEED_START for side in line["contrast"].values())


def asked(claims: Sequence[str], starts: Starts) -> list[str]:
    """The claims that were asked for; of those that come unasked, those that can be put to such a ticket."""
    known = [name for name in dock.DEFAULT if starts != "mask" or name != "FC-6"]
    return [as_registered(name, dock.DEFAULT) for name in claims] or known
