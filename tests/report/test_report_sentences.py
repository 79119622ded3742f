from dataclasses import replace
from pathlib import Path

import pytest

from lthbench.claims.load import load
from lthbench.judging.verdict import from_json
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Network, Pruning
from lthbench.report import numbers, sentences
from lthbench.report.render import markdown_text
from lthbench.words import plain

REFERENCE = Path(__file__).parents[2] / "reports/reference"


@pytest.mark.parametrize(
    ("test", "asked", "against"),
    [
        ("superiority", "above 0 and, untested, at least 1.5 pp", "below 1.5 pp"),
        ("non-inferiority", "above −1.5 pp", "below −1.5 pp"),
        ("equivalence", "between −1.5 and 1.5 pp", "below −1.5 or above 1.5 pp"),
    ],
)
def test_what_a_rule_asks(verdicts, test, asked, against) -> None:
    line = replace(verdicts.claims[0].hypotheses[0], test=test)
    assert sentences.required(line) == asked
    assert sentences.opposite(line) == against


def test_what_would_have_changed_the_verdict(verdicts) -> None:
    said = [sentences.otherwise(claim, "mini") for claim in verdicts.claims]
    assert said[0] == "FAIL if this had been shown: H1 below −1.5 pp. With neither shown: INCONCLUSIVE."
    assert said[1] == "PASS if this had been shown: H1 above 0 and, untested, at least 1.5 pp."
    assert said[2] == "H1: n = 40 would settle it."
    assert "diagnosis only" in said[3]
    assert "lthbench run mini --claim A-5" in said[4]
    there = sentences.otherwise(verdicts.claims[1], "mini", exploratory=True)
    assert there.startswith("SUPPORTED HERE if this had been shown: ")


def test_overall(verdicts) -> None:
    assert sentences.overall(verdicts) == (
        "One of three primary claims passes; the others: A-2 FAIL, A-3 INCONCLUSIVE (exit code 1)."
    )
    missing = [replace(claim, verdict="NOT RUN") for claim in verdicts.claims[1:3]]
    assert sentences.overall(replace(verdicts, claims=missing, exit_code=4)) == (
        "None of two primary claims passes; the others: A-2 NOT RUN, A-3 NOT RUN (exit code 4)."
    )
    passing = [replace(claim, verdict="PASS") for claim in verdicts.claims]
    assert sentences.overall(replace(verdicts, claims=passing, exit_code=0)) == (
        "All three primary claims pass (exit code 0)."
    )
    assert sentences.overall(replace(verdicts, exploratory=True)) == (
        "One of three primary claims is supported here; the others: A-2 NOT SUPPORTED HERE, A-3 INCONCLUSIVE "
        "(exit code 1)."
    )


def test_levels_say_no_more_than_the_tests_hold() -> None:
    quick, long = (sentences.levels(REGISTRY.suites[name], 4) for name in ("quick", "cpu-long"))
    assert quick.startswith(
        "Each of the four primary claims is judged at 0.8 % with 8 replicates and, if inconclusive there, at "
        "0.45 % with all of its own: equal shares of 5 %, whatever the others come to. Where the tests hold "
        "their level, the chance of any false PASS among them is at most 5 %"
    )
    assert "skewed noise can break it" in quick
    assert "line beside a verdict, is judged at 3.2 % with 8 replicates" in quick
    assert "judged at 1.25 %: equal shares of 5 %" in long
    assert sentences.levels(REGISTRY.suites["cpu-long"], 1).startswith("The primary claim is judged at 5 %. Every")
    assert sentences.levels(REGISTRY.suites["cpu-long"], 0).startswith("Every claim, and every line beside a")
    own = REGISTRY.suites["cpu-long"].model_copy(update={"exploratory": True})
    assert "chance of any" not in sentences.levels(own, 4)


def test_reasons_are_the_look_and_the_hypotheses_that_decided(verdicts) -> None:
    claim = verdicts.claims[0]
    first = replace(claim.hypotheses[0], says="a. H2 (b)")  # words are never taken apart
    second = replace(first, id="H2", decision="FAIL")
    passed = replace(claim, hypotheses=[first, replace(first, id="H2")], look=1)
    look, *both = sentences.reasons(passed)
    assert look == "Judged at the first look, with 8 replicates."
    assert [words.partition(":")[0] for words in both] == ["H1 (a. H2 (b))", "H2 (a. H2 (b))"]
    late = replace(passed, why=" ".join([look, *both, "The second look is not taken."]))
    assert sentences.reasons(late) == [look, *both, "The second look is not taken."]
    failed = replace(claim, verdict="FAIL", hypotheses=[first, second])
    assert [words[:3] for words in sentences.reasons(failed)] == ["H2 "]


def test_what_no_hypothesis_decided_has_one_reason(verdicts) -> None:
    blocked, not_run = verdicts.claims[3:]
    assert sentences.reasons(blocked) == ["The reason of A-4."]
    assert sentences.reasons(not_run) == ["The reason of A-5."]
    line = replace(verdicts.claims[0].hypotheses[0], decision="NOT DECIDABLE", undecidable="a single run")
    alike = replace(blocked, verdict="NOT DECIDABLE", hypotheses=[line, replace(line, id="H2")])
    assert sentences.reasons(alike) == [alike.why]
    differing = replace(alike, hypotheses=[line, replace(line, id="H2", undecidable="no SD")])
    assert [words.partition(" (")[0] for words in sentences.reasons(differing)] == ["H1", "H2"]


@pytest.mark.parametrize("suite", ["quick", "cpu", "cpu-long"])
def test_reasons_are_what_judging_wrote(suite: str) -> None:
    stored = from_json((REFERENCE / suite / "seed-0/verdicts.json").read_text())
    for claim in stored.claims:
        assert " ".join(sentences.reasons(claim)) == claim.why


def test_numbers() -> None:
    assert numbers.signed(-0.358) == "−0.36"
    assert numbers.signed(None) == numbers.fixed(float("inf")) == "–"
    assert [numbers.percent(x) for x in (1.0, 0.14009, 0.0312, 0.00471)] == ["100 %", "14.0 %", "3.1 %", "0.47 %"]
    assert numbers.p_value(0.000244) == "0.00024"
    assert numbers.p_value(1e-9) == "1e−09"
    assert numbers.rate(0.05) == "5 %"
    assert plain("a\n b\x00c") == "a bc"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b", r"a \| b"),
        ("p <= 0.05 & Co", "p <= 0.05 & Co"),
        ("<b>", "&lt;b>"),
        ("&lt;", "&amp;lt;"),
        ("random_mask _x_", r"random_mask \_x\_"),
        ("[a](b) [+1, +2]", r"[a\](b) [+1, +2]"),
        ("two\nlines", "two lines"),
    ],
)
def test_markdown_text(text, shown) -> None:
    assert markdown_text(text) == shown


REGISTRY = load()


@pytest.mark.parametrize(
    ("experiment", "says"),
    [
        (
            "mnist1d-mlp",
            "multilayer perceptron, hidden layers of 300 and 100 units, ReLU; Gaussian Glorot weights",
        ),
        ("cifar10-conv4", "conv-4; Gaussian Glorot weights"),
        ("cifar10-resnet20", "resnet-20; Gaussian He weights"),
    ],
)
def test_networks_in_words(experiment: str, says: str) -> None:
    assert sentences.network_words(REGISTRY.experiments[experiment].network) == says


def test_choices_of_a_network_are_named() -> None:
    ours = Network("conv-2", width=0.5, dropout=0.5, activation="tanh", initialisation="kaiming")
    assert sentences.network_words(ours) == "conv-2, 0.5 times as wide, dropout 0.5, tanh; Gaussian He weights"
    theirs = Network("mine.nets:cnn", options={"channels": 8})
    assert sentences.network_words(theirs) == "mine.nets:cnn, channels = 8; the module's own start"


def test_a_pruning_recipe_in_words() -> None:
    assert sentences.pruning_words(REGISTRY.experiments["cifar10-conv4"].pruning) == (
        "the smallest weights by magnitude, layer by layer, 20 % of the survivors per level "
        "(10 % in conv*, 10 % in the output layer)"
    )
    resnet = sentences.pruning_words(REGISTRY.experiments["cifar10-resnet20"].pruning)
    assert "over all layers together" in resnet
    assert "; never pruned: out.weight, *downsample*; the arm rewound returns to iteration k = 1000" in resnet
    own = Pruning("layer-wise", 0.3, criterion="mine:score", unit="filter")
    assert sentences.pruning_words(own).startswith(
        "the smallest filters by the criterion mine:score, layer by layer"
    )


def test_augmentation_and_normalisation_are_told() -> None:
    resnet = REGISTRY.experiments["cifar10-resnet20"]
    assert "flips, crops out of 4 pixels of padding" in sentences.training_words(resnet.training)
    words = sentences.data_words(resnet)
    assert words.startswith(
        "cifar10, 5,000 training examples for validation, normalised by mean 0.4914, 0.4822 and"
    )


def test_a_users_file_is_named_without_its_place() -> None:
    mine = replace(REGISTRY.experiments["mnist1d-mlp"], data=DataSpec("npz", path="/somewhere/mine.npz"))
    assert sentences.data_words(mine) == "npz (mine.npz)"
