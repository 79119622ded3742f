"""A command killed at any moment is finished by the same command, to the same bits; docs/survival.md counts."""

import os
import signal

import pytest
import survival_lab
from survival_lab import Lab

FIRST_SEED = 1000  # of the long version
ROUNDS = int(os.environ.get("LTHBENCH_SURVIVAL_ROUNDS", "8"))
SHORT = {"run": 2, "run --no-snakemake": 10, "campaign": 4, "judge": 1, "report": 6}  # command: seed of its round


@pytest.mark.slow
@pytest.mark.parametrize("command", SHORT)
def test_a_killed_command_is_finished_by_the_same_command(lab: Lab, command: str) -> None:
    done = survival_lab.one_round(lab, command, SHORT[command])
    assert not done.wrong, done


@pytest.mark.slow
@pytest.mark.parametrize("number", range(ROUNDS))
def test_many_kills(lab: Lab, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Rounds of every command in turn; each is printed with its seed (where there are no workers: -n 0)."""
    command = survival_lab.TURNS[number % len(survival_lab.TURNS)]
    done = survival_lab.one_round(lab, command, FIRST_SEED + number)
    with capsys.disabled():
        print(done, flush=True)
    assert {kill.number for kill in done.kills} <= set(survival_lab.SIGNALS)
    assert not done.wrong, done


@pytest.mark.slow
def test_the_harness_sees_a_difference(lab: Lab, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A harness that could not complain would be worth nothing: another run's verdicts count as a difference."""
    other = survival_lab.Lab(lab.folder, lab.seconds)
    monkeypatch.setattr(survival_lab, "different", lambda *_: ["tidy.csv"])
    assert survival_lab.one_round(other, "judge", 0).wrong == ["tidy.csv"]


def test_the_harness_sees_a_wrong_end() -> None:
    killed = survival_lab.Kill("training", signal.SIGTERM, False, 1.0, 1)
    done = survival_lab.Round(0, "run")
    survival_lab.judge_end(done, killed, "Traceback (most recent call last)")
    assert len(done.complaints) == 2
