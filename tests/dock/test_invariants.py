"""Every known mistake breaks the invariant that is there for it, and a sound implementation breaks none."""

from collections.abc import Callable

import pytest

from lthbench.judging.dock.invariants import Invariant

Looked = Callable[[str], dict[str, Invariant]]


def test_a_sound_implementation_breaks_nothing(looked: Looked) -> None:
    assert {each.id: each.detail for each in looked("sound:run").values() if each.state != "holds"} == {}


@pytest.mark.parametrize(
    ("mistake", "broken"),
    [
        ("m1", "both-signs"),
        ("m2", "zeros"),
        ("m3", "reset"),
        ("m4", "buffers"),
        ("m5", "prunable-set"),
        ("m6", "counts"),
        ("m7", "grid"),
        ("m9", "seeds"),
        ("m10", "same-mask"),
        ("m11", "random-mask"),
        ("m12", "rates"),
        ("m13", "rates"),
    ],
)
def test_a_mistake_breaks_its_invariant(looked: Looked, mistake: str, broken: str) -> None:
    found = looked(f"mistakes:{mistake}")
    assert found[broken].state == "broken", found[broken].detail
    assert mistake.upper() in found[broken].bugs


def test_what_is_not_returned_is_not_looked_at(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    import sound

    full = sound.Experiment.run

    def run(self: object, problem: object, arm: object) -> dict[str, object]:
        return {k: v for k, v in full(self, problem, arm).items() if k in ("start", "mask", "final_test_accuracy")}

    monkeypatch.setattr(sound.Experiment, "run", run)
    monkeypatch.setattr(sound.Experiment, "pruned", lambda self, previous: self.ones())
    states = {name: each.state for name, each in looked("sound:run").items()}
    assert states["test-accuracy"] == states["both-signs"] == states["rates"] == "not looked at"
    assert states["counts"] == "broken"


def test_a_best_accuracy_in_place_of_the_last_is_not_that_of_the_weights(
    looked: Looked, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sound

    monkeypatch.setattr(
        sound.Experiment, "final", lambda self, module: self.score(module, *self.problem.test)[0] + 1
    )
    found = looked("sound:run")
    assert [name for name, each in found.items() if each.state == "broken"] == ["test-accuracy"]
    assert "M8" in found["test-accuracy"].bugs
