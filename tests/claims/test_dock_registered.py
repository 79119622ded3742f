"""What a test of the dock says was registered: exactly what was, on a suite's own network and on others."""

from dataclasses import replace

import pytest

from lthbench.claims import dock
from lthbench.claims.load import load
from lthbench.drive import dock as asked
from lthbench.drive.dock import Question
from lthbench.recipe.experiment import Network

OWN = Network("mlp", (12,))
FROM = "Network, data and recipe are those of suite quick (mnist1d-mlp)."
NOTHING = "Nothing else was registered: no accuracy band, no expected effect, no power."


@pytest.fixture(scope="module")
def registry():
    return load()


def files_of(registry, **question):
    """The suite's file, and the first claim's."""
    asks = Question("a:find", **question)
    experiment, chance = asked.experiment_of(registry, asks, dock.DEFAULT[0])
    rung = asked.rung_of(experiment, asks.density, dock.registered_level(registry, "quick", dock.DEFAULT[0]))
    files = dock.files(registry, "quick", dock.DEFAULT, experiment, chance, rung, 8)
    return files["suites/dock.yaml"], files["FC-1.yaml"]["suites"]["dock"]["hypotheses"][0]["margin_from"]


def test_on_the_suites_own_network_margins_and_band_are_registered(registry) -> None:
    suite, margin = files_of(registry)
    assert suite["registered"].startswith(FROM)
    assert (
        "Margins are those of suite quick, registered for them. IMP-1 has the margin of FC-1."
        in suite["registered"]
    )
    assert "Dense accuracy has to lie in the band registered there." in suite["registered"]
    assert suite["registered"].endswith("Nothing was registered for these tickets: no expected effect, no power.")
    assert list(suite["dense_bands"]) == ["mnist1d-mlp"]
    assert margin.startswith("taken over from suite quick; for its tickets: ")


@pytest.mark.parametrize(
    ("question", "other"),
    [
        ({"network": OWN}, "another network"),
        ({"data": "digits"}, "other data"),
        ({"iterations": 60}, "another recipe"),
        ({"network": OWN, "data": "digits", "batch": 7}, "another network, other data, another recipe"),
        ({"density": 0.5}, "another density"),
    ],
)
def test_margins_that_were_measured_with_something_else_say_with_what(registry, question, other) -> None:
    suite, margin = files_of(registry, **question)
    assert f"Margins are those of suite quick, measured with {other}. IMP-1" in suite["registered"]
    assert margin == f"taken over from suite quick, where it was measured with {other}"
    only_density = list(question) == ["density"]
    assert bool(suite["dense_bands"]) == only_density
    assert suite["registered"].startswith(FROM) == only_density
    assert suite["registered"].endswith(NOTHING) != only_density


def test_claims_that_are_registered_at_different_densities_are_told_apart(registry) -> None:
    claims = dock.DEFAULT[:3]
    experiment = registry.experiments[dock.registration_of(registry, "cpu", "FC-1").experiment]
    rung = dock.Rung(dock.registered_level(registry, "cpu", "FC-1"), 0.135)
    said = dock.registered(registry, "cpu", claims, replace(experiment, method="a:find"), rung)
    assert "Margins of FC-1 are those of suite cpu, registered for them." in said
    assert "Margins of FC-6, FC-7 are those of suite cpu, measured with another density." in said
