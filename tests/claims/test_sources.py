"""Quotation marks hold somebody else's own words, and a published size is held against its own density only."""

import re
from math import prod

import pytest

from lthbench.claims.load import load
from lthbench.claims.schema import Source
from lthbench.models.registry import model
from lthbench.pruning.counts import density
from lthbench.recipe.experiment import Experiment

SHIPPED = load()
SOURCES = [(claim.id, source) for claim in SHIPPED.claims.values() for source in claim.sources]
QUOTED = [(name, source) for name, source in SOURCES if source.quote]
OURS = re.compile(
    r"\d %|\bpp\b|…|\.\.\.|^\"| - "
)  # how this project writes; no quoted paper does, and none is cut
INPUTS = {"mnist": (1, 28, 28), "mnist1d": (40,), "cifar10": (3, 32, 32), "image_folder": (3, 224, 224)}


@pytest.mark.parametrize(("claim", "source"), QUOTED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_quotation_is_not_in_our_words(claim, source) -> None:
    assert not OURS.search(source.quote)
    assert source.verified != "memory"
    assert "paraphras" not in source.where


def test_the_paraphrases_that_stood_in_quotation_marks_would_be_noticed() -> None:
    for words in (
        "LeNet at 21.1 % - early stop 38 % earlier than that of the dense network (ratio 1.61)",
        "LeNet at 13.5 % - accuracy gain over the dense network of more than 0.3 pp (5-trial mean)",
        '"0.3% more than original" with only "1.2%" of it',
        "... stable to SGD noise, which either occurs at initialization for small-scale settings (MNIST)",
    ):
        assert OURS.search(words)


def test_nobody_quotes_from_memory() -> None:
    recalled = {"paper": "A & B 2019", "where": "section 2", "verified": "memory"}
    with pytest.raises(ValueError, match="quote: nobody quotes from memory"):
        Source(**recalled, quote="tickets win")
    assert Source(**recalled, says="tickets win").quote == ""


def test_the_end_of_training_is_quoted_where_it_is_claimed() -> None:
    (source,) = SHIPPED.claims["FC-5"].sources
    assert "they generalize better" in source.quote
    assert "do not generalize better" not in source.quote


# Published sizes


def nearest_level(experiment: Experiment, percent: float) -> int:
    """The round of the experiment's ladder that comes nearest to a density."""
    prunable = model(
        experiment.network, INPUTS[experiment.data.name], 1000 if experiment.data.name == "image_folder" else 10
    ).prunable
    sizes = {name: prod(shape) for name, shape in prunable.items()}
    return min(range(26), key=lambda level: abs(100 * density(sizes, experiment.pruning, level) - percent))


COMPARED = [
    (claim.id, suite, line.id)
    for claim in SHIPPED.claims.values()
    for suite, registration in claim.suites.items()
    for effect in claim.published
    if claim.counts_for(effect, registration)
    for line in registration.lines()
    if line.id == effect.hypothesis
]


@pytest.mark.parametrize(("claim", "suite", "line"), COMPARED, ids="-".join)
def test_a_published_size_is_held_against_its_own_density(claim, suite, line) -> None:
    registration = SHIPPED.claims[claim].suites[suite]
    tested = next(own for own in registration.lines() if own.id == line)
    effects = [
        effect
        for effect in SHIPPED.claims[claim].published
        if effect.hypothesis == line and SHIPPED.claims[claim].counts_for(effect, registration)
    ]
    for effect in effects:
        published = float(re.search(r" at ([\d.]+) %", effect.quantity)[1])
        levels = {cell for cell in tested.contrast.cells(registration.experiment) if cell.level}
        assert levels
        for cell in levels:
            assert nearest_level(SHIPPED.experiments[cell.experiment], published) == cell.level


def test_the_sizes_that_are_compared_are_these() -> None:
    assert COMPARED == [
        ("FC-1", "quick", "H1"),
        ("FC-1", "cpu", "H1"),
        ("FC-1", "full-core", "H1"),
        ("FC-1", "full-core", "H2"),
        ("FC-1", "cpu-paper", "H1"),
        ("FC-10", "full", "H2"),
        ("FC-10", "full", "H4"),
        ("FC-10", "full", "H6"),
        ("FC-14", "full", "H1"),
        ("FC-14", "full", "H3"),
        ("FC-4", "cpu", "H1"),
        ("FC-4", "cpu-paper", "H1"),
        ("FC-6", "cpu", "H1"),
        ("FC-6", "full-core", "H1"),
        ("FC-6", "full-core", "H2"),
        ("FC-6", "cpu-paper", "H1"),
        ("FC-6", "cpu-paper", "H2"),
        ("FC-7", "cpu-paper", "H1"),
        ("FC-7", "cpu", "H1"),
        ("RE-1", "full", "H1"),
        ("RE-1", "full", "H2"),
        ("RE-2", "full", "H1"),
        ("RE-2", "full", "H2"),
        ("RE-2", "full", "H3"),
        ("ST-2", "full-core", "H1"),
        ("ST-2", "full-core", "H2"),
        ("ST-2", "full-core", "H3"),
        ("ST-2i", "full", "H1"),
        ("ST-2i", "full", "H2"),
    ]


def test_a_suite_that_an_effect_names_registers_its_hypothesis() -> None:
    for claim in SHIPPED.claims.values():
        for effect in claim.published:
            for suite in effect.suites:
                assert effect.hypothesis in [line.id for line in claim.suites[suite].lines()], (claim.id, suite)
