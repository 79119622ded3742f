"""Sentences of the report: what was run, what a rule asks, what would have changed a verdict."""

from collections.abc import Sequence
from pathlib import Path

from lthbench.claims.schema import Suite
from lthbench.judging.verdict import ClaimVerdict, LineResult, Verdicts
from lthbench.judging.words import line_words, look_words
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.report.numbers import count, rate, short
from lthbench.stats.rule import fail_words, pass_words

MEANINGS = {
    "PASS": "the registered hypotheses are shown",
    "FAIL": "the opposite of a registered hypothesis is shown",
    "INCONCLUSIVE": "the evidence does not decide; this is not a pass",
    "NOT DECIDABLE": "the results allow no test: a single run, or no SD or n; this is not a pass",
    "BLOCKED": "a sanity gate failed, so the numbers mean nothing",
    "NOT RUN": "results the claim needs are not there",
}
VERIFIED = {
    "paper": "read in the paper itself",
    "data": "computed from the authors' released data",
    "secondary": "read in another publication that reports it",
    "memory": "recalled and not yet checked",
}
REDUCED = "A reduced-scale verdict never stands for the paper-scale claim."
TUNING_SEEDS = 1000


def test_words(test: str) -> str:
    """A test in one sentence."""
    return f"PASS when the mean is shown {pass_words(test, 'δ')}; FAIL when it is shown {fail_words(test, 'δ')}"


def required(line: LineResult) -> str:
    """What the mean has to do for PASS."""
    return f"{pass_words(line.test, short(line.delta))} {line.unit}"


def opposite(line: LineResult) -> str:
    """What would have to be shown for FAIL."""
    return f"{fail_words(line.test, short(line.delta))} {line.unit}"


def reasons(claim: ClaimVerdict) -> list[str]:
    """Why the verdict is what it is: at which look, then one entry per hypothesis that decided it.

    What no hypothesis decided has the one reason that judging wrote: a gate, missing runs, data without a test.
    """
    deciding = [line for line in claim.hypotheses if claim.verdict in ("PASS", line.decision)]
    alike = claim.verdict == "NOT DECIDABLE" and len({line.undecidable for line in claim.hypotheses}) == 1
    if alike or not deciding:
        return [claim.why]
    look = look_words(claim.look, claim.replicates, complete=True).strip()
    return [look] * bool(look) + [line_words(line) for line in deciding]


def otherwise(claim: ClaimVerdict, suite: str) -> str:
    """What would have changed the verdict."""
    several = len(claim.hypotheses) > 1
    asked = "; ".join(f"{h.id} {required(h)}" for h in claim.hypotheses)
    against = "; ".join(f"{h.id} {opposite(h)}" for h in claim.hypotheses)
    if claim.verdict == "PASS":
        which = "any one of these" if several else "this"
        return f"It would have failed if {which} had been shown: {against}. With neither shown: INCONCLUSIVE."
    if claim.verdict == "FAIL":
        which = "all of these" if several else "this"
        return f"It would have passed if {which} had been shown: {asked}."
    if claim.verdict == "INCONCLUSIVE":
        return claim.settle or ""
    if claim.verdict == "NOT DECIDABLE":
        return "The single runs, or mean, SD and n of every arm, would make it decidable."
    if claim.verdict == "BLOCKED":
        return (
            "Numbers and decisions of its hypotheses are shown for diagnosis only; once the cause is mended, the "
            "runs have to be repeated."
        )
    return f"The command that runs and judges it: lthbench run {suite} --claim {claim.id}"


def overall(verdicts: Verdicts) -> str:
    """How the primary claims stand, in one sentence."""
    primary = [claim for claim in verdicts.claims if claim.kind == "primary"]
    code = f"(exit code {verdicts.exit_code})"
    if not primary:
        return f"No primary claim is in this report {code}."
    passed = [claim for claim in primary if claim.verdict == "PASS"]
    if len(passed) == len(primary):
        which = {1: "The primary claim passes", 2: "Both primary claims pass"}
        return f"{which.get(len(primary), f'All {count(len(primary))} primary claims pass')} {code}."
    others = ", ".join(f"{claim.id} {claim.verdict}" for claim in primary if claim.verdict != "PASS")
    passes = "pass" if len(passed) > 1 else "passes"
    number = count(len(passed)).capitalize() if passed else "None"
    return f"{number} of {count(len(primary))} primary claims {passes}; not passed: {others} {code}."


def multiplicity(primaries: int, alpha: float) -> str:
    """How many looks, and how that is paid for."""
    family = (
        f"The {count(primaries)} primary claims of the suite form one Holm family at {rate(alpha)}, "
        "so the chance of any false PASS among them is at most that (likewise for any false FAIL). "
        if primaries > 1
        else f"The primary claim is judged at {rate(alpha)}. " * primaries
    )
    return (
        f"{family}Every other claim (secondary, counter, popular) is judged at {rate(alpha)} on its own, "
        "and so is every line beside a verdict: those are not corrected for their number. "
        "The exit code comes from the primary claims alone."
    )


def two_looks(suite: Suite | None) -> str:
    """How alpha is split where a suite has a first look; nothing for others."""
    look = suite.first_look if suite else None
    if suite is None or look is None:
        return ""
    return (
        f" Alpha is split between two looks: claims are judged with {look.replicates} replicates at "
        f"{rate(look.alpha)}, and those that are inconclusive there go on and are judged with all of theirs at "
        f"{rate(suite.alpha - look.alpha)}."
    )


STARTS = {"glorot": "Gaussian Glorot weights", "kaiming": "Gaussian He weights", "own": "the module's own start"}


def network_words(network: Network) -> str:
    """The network."""
    start = STARTS[network.initialisation or ("glorot" if network.is_paper else "own")]
    words = [perceptron_words(network) if network.kind == "mlp" else network.kind]
    if network.width != 1:
        words.append(f"{network.width:g} times as wide")
    if network.dropout:
        words.append(f"dropout {network.dropout:g}")
    if network.activation != "relu" and network.kind != "mlp":
        words.append(network.activation)
    words += [f"{key} = {value}" for key, value in network.options.items()]
    return f"{', '.join(words)}; {start}"


def perceptron_words(network: Network) -> str:
    """Layers, activation and norm of a perceptron."""
    widths = network.hidden
    if len(widths) > 2 and len(set(widths)) == 1:
        layers = f"{count(len(widths))} hidden layers of {widths[0]} units"
    else:
        layers = f"hidden layers of {' and '.join(map(str, widths))} units"
    norm = ", batch norm after each hidden linear layer" if network.batch_norm else ""
    return (
        f"multilayer perceptron, {layers}, {'ReLU' if network.activation == 'relu' else network.activation}{norm}"
    )


def data_words(experiment: Experiment) -> str:
    """The data set and how it is divided."""
    data = experiment.data
    sizes = [
        f"{size:,} {kind}"
        for size, kind in ((data.train, "training examples"), (data.test, "test examples"))
        if size is not None
    ]
    # "of which": validation examples are split off the training examples.
    if sizes and data.train is not None and data.validation:
        sizes[0] += f" ({data.validation:,} of them for validation)"
    elif data.validation:
        sizes.append(f"{data.validation:,} training examples for validation")
    if data.mean:
        mean, sd = (listed([f"{value:g}" for value in values]) for values in (data.mean, data.std))
        sizes.append(f"normalised by mean {mean}, SD {sd}")
    shuffled = "; labels shuffled" if experiment.shuffled_labels else ""
    name = f"{data.name} ({Path(data.path).name})" if data.path else data.name
    return ", ".join([name, *sizes]) + shuffled


def training_words(training: Training) -> str:
    """The training recipe."""
    words = ["Adam" if training.optimizer == "adam" else "SGD", f"learning rate {training.learning_rate:g}"]
    if training.momentum:
        words.append(f"momentum {training.momentum:g}")
    if training.weight_decay:
        words.append(f"weight decay {training.weight_decay:g}")
    if training.warmup:
        words.append(f"{training.warmup} iterations of warm-up")
    if training.milestones:
        words.append(f"rate × {training.decay:g} at iterations {' and '.join(map(str, training.milestones))}")
    if training.flip:
        words.append("flips")
    if training.pad_crop:
        words.append(f"crops out of {training.pad_crop} pixels of padding")
    words += [f"batches of {training.batch}", f"{training.iterations:,} iterations"]
    return ", ".join(words) + f"; evaluated every {training.evaluate_every}"


def pruning_words(pruning: Pruning) -> str:
    """The pruning recipe."""
    pruned = "weights" if pruning.unit == "weight" else "filters"
    by = "by magnitude" if pruning.criterion == "magnitude" else f"by the criterion {pruning.criterion}"
    scope = "over all layers together" if pruning.scope == "global" else "layer by layer"
    own = [f"{rate(value)} in {pattern}" for pattern, value in pruning.layer_rates.items()]
    if pruning.output_rate is not None:
        own.append(f"{rate(pruning.output_rate)} in the output layer")
    exceptions = f" ({', '.join(own)})" if own else ""
    kept = f"; never pruned: {', '.join(pruning.keep)}" if pruning.keep else ""
    rewind = f"; the arm rewound returns to iteration k = {pruning.rewind}" if pruning.rewind else ""
    survivors = f"{rate(pruning.rate)} of the survivors per level"
    return f"the smallest {pruned} {by}, {scope}, {survivors}{exceptions}{kept}{rewind}"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
