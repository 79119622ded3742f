"""The arms: where the network that is trained got its mask and its weights.

Every arm then goes through the same training with the same recipe. A control differs from the ticket in
exactly the thing its name says. Torch-free, so that planning is quick.
"""

from dataclasses import dataclass
from typing import Literal

Cell = tuple[str, int]  # (arm, level)


@dataclass(frozen=True)
class Arm:
    """How one arm is made.

    mask: `ones` (dense), `iterative` (pruned from the previous level of the arm, or of the arm it `follows`),
    `one-shot` (pruned once from the trained dense network), `at-init` (pruned once from the initial weights),
    `ticket` (worn from the ticket of that level), `random` (as many weights per matrix as that ticket, elsewhere),
    `permuted` (that ticket's, hidden units moved to those of the `dense-reinit` network that answer alike),
    `learned`, `method` (found by the user's method that the experiment names). `of` names another arm in the
    ticket's place, or `source`: the ticket of the experiment that `mask_from` names.
    weights: `init`, `rewind-point` (dense after k iterations), `trained` (where the arm's previous level ended),
    `fresh` (a new draw), `fresh-rescaled` (the same draw divided by the square root of each matrix's density),
    `fresh-signed` (its magnitudes with the initial weights' signs), `fresh-signed-as-ended` (its magnitudes with
    the signs that the arm that `of` names ended training with), `rewind-signed` (the rewind point, but for its
    prunable weights' magnitudes, which are those of the draw),
    `shuffled` (the surviving initial weights permuted within each matrix), `constant` (the initial weights' signs
    times the standard deviation of each matrix), `ended` (where the arm that `of` names ended training), `method`
    (those that the method gives with its mask; `init` where it gives none).
    pruned: pruned weights are `zero`, or `frozen` where they start.
    rates: the recipe's `schedule`, or its `last` rate throughout (fine-tuning). `learns`: its weights (all arms
    but these), `nothing` (evaluated as it starts), or a mask over frozen weights (`edge-popup`, `bernoulli`).
    line_from: the error barrier is measured on the line to it, from the `dense` network, from where the arm that
    `of` names ended one `round-before`, from the `lr-rewound` network of its level, or from its `twin`: the arm
    that `of` names, at its level.
    """

    says: str
    mask: Literal["ones", "iterative", "one-shot", "at-init", "ticket", "random", "permuted", "learned", "method"]
    weights: Literal[
        "init",
        "rewind-point",
        "trained",
        "fresh",
        "fresh-rescaled",
        "fresh-signed",
        "fresh-signed-as-ended",
        "rewind-signed",
        "shuffled",
        "constant",
        "ended",
        "method",
    ]
    own_order: bool = False
    stream: str | None = None  # of the draws of a control arm
    pruned: Literal["zero", "frozen"] = "zero"
    rates: Literal["schedule", "last"] = "schedule"
    learns: Literal["weights", "nothing", "edge-popup", "bernoulli"] = "weights"
    follows: str | None = None  # the arm whose levels its masks are found along
    of: Literal["ticket", "rewound", "continued", "continued-reinit", "pruned-at-init", "found", "source"] = (
        "ticket"
    )
    line_from: Literal["", "dense", "round-before", "lr-rewound", "twin"] = ""

    @property
    def counted(self) -> bool:
        """Whether its number of weights is a setting, a rung of the ladder, and not an outcome."""
        return self.learns != "bernoulli"

    @property
    def starts_late(self) -> bool:
        """Whether its training starts at the rewind point, so that it lasts T - k iterations."""
        return self.weights in ("rewind-point", "rewind-signed")

    @property
    def of_method(self) -> bool:
        """Whether its mask is one that a method of the user's found."""
        return self.mask == "method" or self.of == "found"


ARMS: dict[str, Arm] = {
    "dense": Arm("all weights", "ones", "init"),
    "dense-copy": Arm(
        "all weights, the same start, another batch order", "ones", "init", own_order=True, line_from="dense"
    ),
    "dense-late-copy": Arm(
        "all weights, as dense up to iteration k, another batch order after it",
        "ones",
        "rewind-point",
        own_order=True,
        line_from="dense",
    ),
    "ticket": Arm("iteratively pruned, rewound to iteration 0", "iterative", "init"),
    "rewound": Arm("iteratively pruned, rewound to iteration k", "iterative", "rewind-point"),
    "ticket-line": Arm(
        "the trained ticket, with the line to it from that of the round before",
        "ticket",
        "ended",
        learns="nothing",
        line_from="round-before",
    ),
    "rewound-line": Arm(
        "the trained rewound ticket, with the line to it from that of the round before",
        "ticket",
        "ended",
        learns="nothing",
        of="rewound",
        line_from="round-before",
    ),
    "ticket-copy": Arm(
        "the ticket's mask and start, another batch order", "ticket", "init", own_order=True, line_from="twin"
    ),
    "rewound-copy": Arm(
        "the rewound ticket's mask and start, another batch order",
        "ticket",
        "rewind-point",
        own_order=True,
        of="rewound",
        line_from="twin",
    ),
    "lr-rewound": Arm("iteratively pruned, trained on with the whole schedule again", "iterative", "trained"),
    "fine-tuned": Arm("iteratively pruned, trained on at the last rate", "iterative", "trained", rates="last"),
    "continued": Arm(
        "pruned iteratively while trained on, rewound to iteration 0 only then (1803.03635, B, Strategy 2)",
        "iterative",
        "init",
        follows="lr-rewound",
    ),
    "continued-reinit": Arm(
        "the mask of `continued`, fresh weights", "ticket", "fresh", stream="reinit", of="continued"
    ),
    "continued-trained-signs": Arm(
        "the mask of `continued`, fresh weights with the signs that it ended training with",
        "ticket",
        "fresh-signed-as-ended",
        stream="reinit",
        of="continued",
    ),
    "continued-line": Arm(
        "`continued` as trained, with the line to it from the network its mask was found on",
        "ticket",
        "ended",
        learns="nothing",
        of="continued",
        line_from="lr-rewound",
    ),
    "continued-reinit-line": Arm(
        "`continued-reinit` as trained, with the line to it from the network its mask was found on",
        "ticket",
        "ended",
        learns="nothing",
        of="continued-reinit",
        line_from="lr-rewound",
    ),
    "one-shot": Arm("pruned once from the trained dense network, iteration 0", "one-shot", "init"),
    "pruned-at-init": Arm("pruned once at initialisation, before any training", "at-init", "init"),
    "reinit": Arm("the ticket's mask, fresh weights", "ticket", "fresh", stream="reinit"),
    "reinit-rescaled": Arm(
        "the ticket's mask, fresh weights scaled up for the density",
        "ticket",
        "fresh-rescaled",
        stream="reinit",
    ),
    "reinit-signs": Arm(
        "the ticket's mask, fresh weights with the initial weights' signs",
        "ticket",
        "fresh-signed",
        stream="reinit",
    ),
    "dense-reinit": Arm("all weights, fresh ones", "ones", "fresh", stream="reinit"),
    "continued-permuted": Arm(
        "the mask of `continued` moved to the units that answer alike in `dense-reinit`, fresh weights",
        "permuted",
        "fresh",
        stream="reinit",
        of="continued",
    ),
    "rewound-reinit": Arm(
        "the rewound ticket's mask, fresh weights", "ticket", "fresh", stream="reinit", of="rewound"
    ),
    "rewound-signs": Arm(
        "the rewound ticket from iteration k on, its weights fresh but for their signs",
        "ticket",
        "rewind-signed",
        stream="reinit",
        of="rewound",
    ),
    "rewound-trained-signs": Arm(
        "the rewound ticket's mask, fresh weights with the signs that it ended training with",
        "ticket",
        "fresh-signed-as-ended",
        stream="reinit",
        of="rewound",
    ),
    "frozen": Arm(
        "the ticket's mask and initial weights, the pruned ones frozen at theirs instead of zero",
        "ticket",
        "init",
        pruned="frozen",
    ),
    "constant": Arm("the ticket's mask on constants with the initial weights' signs", "ticket", "constant"),
    "shuffled": Arm(
        "the ticket's mask, its initial weights shuffled within each layer",
        "ticket",
        "shuffled",
        stream="shuffle",
    ),
    "random-mask": Arm("a random mask with the ticket's layer densities", "random", "init", stream="mask"),
    "pruned-at-init-shuffled": Arm(
        "the mask pruned at initialisation, shuffled within each layer",
        "random",
        "init",
        stream="mask",
        of="pruned-at-init",
    ),
    "pruned-at-init-reinit": Arm(
        "the mask pruned at initialisation, fresh weights", "ticket", "fresh", stream="reinit", of="pruned-at-init"
    ),
    "transferred": Arm(
        "the mask of another experiment's ticket on the initial weights, which the two share",
        "ticket",
        "init",
        of="source",
    ),
    "transferred-reinit": Arm(
        "the mask of another experiment's ticket, fresh weights", "ticket", "fresh", stream="reinit", of="source"
    ),
    "found": Arm("the ticket that the method found: its mask, on its start weights", "method", "method"),
    "found-reinit": Arm("the method's mask, fresh weights", "ticket", "fresh", stream="reinit", of="found"),
    "found-shuffled": Arm(
        "the method's mask, the initial weights shuffled within each layer",
        "ticket",
        "shuffled",
        stream="shuffle",
        of="found",
    ),
    "found-random-mask": Arm(
        "a random mask with the layer densities of the method's", "random", "init", stream="mask", of="found"
    ),
    "untrained": Arm("the ticket's mask on its initial weights, not trained", "ticket", "init", learns="nothing"),
    "untrained-constant": Arm(
        "the ticket's mask on constants with the initial weights' signs, not trained",
        "ticket",
        "constant",
        learns="nothing",
    ),
    "edge-popup": Arm(
        "initial weights, never trained, under a mask learned by edge-popup, as dense as the ladder's rung",
        "learned",
        "init",
        learns="edge-popup",
    ),
    "supermask": Arm(
        "initial weights, never trained, under a mask of learned probabilities, as dense as it comes out",
        "learned",
        "init",
        learns="bernoulli",
    ),
}


ON_LINES = {arm.of for arm in ARMS.values() if arm.weights == "ended"}  # the arms whose ends a line joins


def parents(arm: str, level: int) -> list[Cell]:
    """The cells of the same experiment whose results this one is made from."""
    kind = ARMS[arm]
    cells: list[Cell] = []
    if kind.mask == "iterative":
        cells.append(level_above(arm, level))
    elif kind.mask in ("ticket", "random", "permuted") and kind.of != "source":
        cells.append((kind.of, level) if level else ("dense", 0))
    if kind.mask == "permuted":
        cells += [("dense", 0), ("dense-reinit", 0)]
    if kind.line_from:
        cells.append(line_start(arm, level))
    if kind.mask in ("one-shot", "at-init") or kind.starts_late:
        cells.append(("dense", 0))
    return list(dict.fromkeys(cells))


def level_above(arm: str, level: int) -> Cell:
    """The cell that an iteratively pruned arm's mask is pruned from: the dense network above level 1."""
    return (ARMS[arm].follows or arm, level - 1) if level > 1 else ("dense", 0)


def line_start(arm: str, level: int) -> Cell:
    """The cell whose trained networks a line starts from."""
    if ARMS[arm].line_from == "lr-rewound":
        return ("lr-rewound", level)
    if ARMS[arm].line_from == "twin":
        return (ARMS[arm].of, level)
    return ("dense", 0) if ARMS[arm].line_from == "dense" else level_above(ARMS[arm].of, level)


def mask_origin(arm: str, level: int, source: str) -> Cell:
    """The cell whose mask an arm wears, or shuffles; `source:ticket` for the ticket of the experiment `source`."""
    of = ARMS[arm].of
    return (f"{source}:ticket" if of == "source" else of, level)


def closure(cells: set[Cell]) -> list[Cell]:
    """The cells and all they are made from, parents before children."""
    ordered: dict[Cell, None] = {}

    def visit(cell: Cell) -> None:
        for parent in parents(*cell):
            visit(parent)
        ordered.setdefault(cell)

    for cell in sorted(cells):
        visit(cell)
    return list(ordered)


def check_frozen(arm: str, weight_decay: float, unit: str) -> None:
    """Refuse recipes under which frozen weights would not stay where they are."""
    if ARMS[arm].pruned == "frozen" and (weight_decay or unit != "weight"):
        raise ValueError(f"arm '{arm}' needs an experiment without weight_decay that prunes single weights")


def check_cell(arm: str, level: int, rewind: int, source: str = "", method: str = "") -> None:
    """Refuse a cell that cannot exist, with a message a claim's author can act on."""
    if arm not in ARMS:
        raise ValueError(f"unknown arm '{arm}'; the arms are {', '.join(ARMS)}")
    if (ARMS[arm].mask == "ones") != (level == 0):
        raise ValueError(f"arm '{arm}' at level {level}: dense arms have level 0, all others 1 or more")
    if not ARMS[arm].counted and level > 1:
        raise ValueError(f"arm '{arm}' at level {level}: its density is learned, so that it has level 1 only")
    if (ARMS[arm].starts_late or ARMS[arm].of == "rewound") and rewind == 0:
        raise ValueError(f"arm '{arm}' needs an experiment with pruning.rewind > 0")
    if ARMS[arm].of == "source" and not source:
        raise ValueError(f"arm '{arm}' needs an experiment with mask_from, which names where its ticket is found")
    if ARMS[arm].of_method and not method:
        raise ValueError(f"arm '{arm}' needs an experiment with method, the function that finds its tickets")
