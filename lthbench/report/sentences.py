"""Sentences of the report: what was run, what a rule asks, what would have changed a verdict."""

from collections.abc import Sequence
from pathlib import Path

from lthbench.claims.schema import Suite
from lthbench.judging.verdict import ClaimVerdict, LineResult, Verdicts, verdict_word
from lthbench.judging.words import line_words, look_words
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.recipe.variants import SAYS, variant_of
from lthbench.report.numbers import count, rate, short
from lthbench.stats.rule import fail_words, pass_words

MEANINGS = {
    "PASS": "every hypothesis shows what its test asks for",
    "FAIL": "a hypothesis is refuted: it is shown smaller than δ or reversed, worse than −δ, or outside ±δ",
    "INCONCLUSIVE": "the evidence does not decide; this is not a pass",
    "NOT DECIDABLE": "the results allow no test: a single run, or no SD or n; this is not a pass",
    "BLOCKED": "a sanity gate failed, so the numbers mean nothing",
    "NOT RUN": "results the claim needs are not there",
}
SHOWN = (
    "the larger of two p values, of the one-sided paired t test and of the exact sign-flip test, is at or below "
    "the level."
)
UNPAIRED = {
    "own": "",
    "published": " Where replicates are not paired, p is that of Welch's one-sided t test alone; no exact test "
    "confirms it.",
    "given": " Where no pairing is known, p is no smaller than any pairing would give, nor than that of Welch's "
    "t test or of the permutation test (exact, up to 40 runs).",
}
AT_LEVEL = (
    "Beside the 95 % interval stands the t interval at the level that p for is held against: at that level the t "
    "test alone shows the mean above its lower end, or below its upper one."
)
VERIFIED = {
    "paper": "read in the paper itself",
    "data": "computed from the authors' released data",
    "secondary": "read in another publication that reports it",
    "memory": "recalled and not yet checked",
}
UNREGISTERED = "Nothing was tuned or registered for these networks, margins included."
REDUCED = "A reduced-scale verdict never stands for the paper-scale claim."
TUNING_SEEDS = 1000


def exploratory_words(registered: str) -> str:
    """What of an exploratory suite was registered (in words; "": nothing), and what its verdicts mean."""
    means = "The words say what these replicates show here, and decide no claim."
    return f"Exploratory. {registered or UNREGISTERED} {means}"


def test_words(test: str, exploratory: bool) -> str:
    """A test in one sentence."""
    passes, fails = (verdict_word(verdict, exploratory) for verdict in ("PASS", "FAIL"))
    asked, against = pass_words(test, "δ"), fail_words(test, "δ")
    return f"{passes} when the mean is shown {asked}; {fails} when it is shown {against}"


def required(line: LineResult) -> str:
    """What the mean has to do for PASS."""
    return f"{pass_words(line.test, short(line.delta))} {line.unit}"


def opposite(line: LineResult) -> str:
    """What would have to be shown for FAIL."""
    return f"{fail_words(line.test, short(line.delta))} {line.unit}"


def reasons(claim: ClaimVerdict) -> list[str]:
    """Why the verdict is what it is: at which look, then one entry per hypothesis that decided it.

    What no hypothesis decided has the one reason that judging wrote: a gate, missing runs, data without a test.
    What judging said besides comes last: a second look that was not taken.
    """
    deciding = [line for line in claim.hypotheses if claim.verdict in ("PASS", line.decision)]
    alike = claim.verdict == "NOT DECIDABLE" and len({line.undecidable for line in claim.hypotheses}) == 1
    if alike or not deciding:
        return [claim.why]
    look = look_words(claim.look, claim.replicates, complete=True).strip()
    said = [look] * bool(look) + [line_words(line) for line in deciding]
    start, _, besides = claim.why.partition(" ".join(said))
    return said + [besides.strip()] * bool(besides and not start)


def otherwise(claim: ClaimVerdict, suite: str, exploratory: bool = False) -> str:
    """What would have changed the verdict."""
    passes, fails = (verdict_word(verdict, exploratory) for verdict in ("PASS", "FAIL"))
    several = len(claim.hypotheses) > 1
    asked = "; ".join(f"{h.id} {required(h)}" for h in claim.hypotheses)
    against = "; ".join(f"{h.id} {opposite(h)}" for h in claim.hypotheses)
    if claim.verdict == "PASS":
        which = "any one of these" if several else "this"
        return f"{fails} if {which} had been shown: {against}. With neither shown: INCONCLUSIVE."
    if claim.verdict == "FAIL":
        which = "all of these" if several else "this"
        return f"{passes} if {which} had been shown: {asked}."
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
    one, more = ("is supported here", "are supported here") if verdicts.exploratory else ("passes", "pass")
    passed = [claim for claim in primary if claim.verdict == "PASS"]
    if len(passed) == len(primary):
        which = {1: f"The primary claim {one}", 2: f"Both primary claims {more}"}
        return f"{which.get(len(primary), f'All {count(len(primary))} primary claims {more}')} {code}."
    words = {claim.id: verdict_word(claim.verdict, verdicts.exploratory) for claim in primary}
    others = ", ".join(f"{claim.id} {words[claim.id]}" for claim in primary if claim.verdict != "PASS")
    number = count(len(passed)).capitalize() if passed else "None"
    verb = more if len(passed) > 1 else one
    return f"{number} of {count(len(primary))} primary claims {verb}; the others: {others} {code}."


def levels(suite: Suite, primaries: int) -> str:
    """At which levels the claims of a suite are judged, and what that bounds."""
    alpha = rate(suite.alpha)
    bounded = (
        f"Where the tests hold their level, the chance of any false PASS among them is at most {alpha}, and so is "
        "that of any false FAIL; skewed noise can break it (docs/calibration.md). " * (not suite.exploratory)
    )
    family, others = "", "Every other claim"
    if primaries == 0:
        others = "Every claim"
    elif primaries == 1:
        family = f"The primary claim is judged {at_level(suite, 1)}. "
    else:
        family = (
            f"Each of the {count(primaries)} primary claims is judged {at_level(suite, primaries)}: equal "
            f"shares of {alpha}, whatever the others come to. {bounded}"
        )
    return (
        f"{family}{others}, and every line beside a verdict, is judged {at_level(suite, 1)}: those are "
        "not corrected for their number. The exit code comes from the primary claims alone."
    )


def at_level(suite: Suite, share: int) -> str:
    """The level of one of `share` claims, at both looks where there are two."""
    look = suite.first_look
    if look is None:
        return f"at {rate(suite.alpha / share)}"
    return (
        f"at {rate(look.alpha / share)} with {look.replicates} replicates and, if inconclusive there, at "
        f"{rate((suite.alpha - look.alpha) / share)} with all of its own"
    )


STARTS = {"glorot": "Gaussian Glorot weights", "kaiming": "Gaussian He weights", "own": "the module's own start"}


def recipe_rows(experiment: Experiment, pruned: bool) -> list[tuple[str, str]]:
    """An experiment in words: network, data, training, and pruning where something was pruned."""
    return [
        ("Network", network_words(experiment.network)),
        ("Data", data_words(experiment)),
        ("Training", training_words(experiment.training)),
        *([("Variant", f"{variant}: {SAYS[variant]}")] if (variant := variant_of(experiment.training)) else []),
        *([("Pruning", pruning_words(experiment.pruning))] if pruned else []),
    ]


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
