"""Results name the engine that made them, so the declared engine must be the code that is there."""

from pathlib import Path

import pytest

from lthbench.recipe import engine as engine_version


def test_the_declared_source_is_the_source() -> None:
    """When this fails: raise VERSION if a number can change, and put the new hash into SOURCE."""
    assert engine_version.source_hash() == engine_version.SOURCE, engine_version.source_hash()
    assert engine_version.engine() == str(engine_version.VERSION)


def test_changed_code_gets_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_version, "SOURCE", "something else")
    assert engine_version.engine() == f"{engine_version.VERSION}+{engine_version.source_hash()}"


def test_the_hash_sees_every_science_module(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = [engine_version.PACKAGE / room for room in engine_version.SCIENCE]
    assert all(room.is_dir() for room in rooms)
    compute = engine_version.source_hash.__wrapped__  # without the cache, which other tests' names come from
    before = compute()
    changed = engine_version.PACKAGE / "training" / "stack.py"
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, **how: read(self, **how) + "x = 1\n" * (self == changed))
    assert compute() != before


def test_what_is_said_does_not_count_and_what_is_done_does() -> None:
    said = '"""About."""\n\n\ndef f(x):  # a comment\n    """Twice."""\n    return 2 * x\n'
    silent = "def f(x):\n    return 2 * x\n"
    assert engine_version.code_of(said) == engine_version.code_of(silent)
    assert engine_version.code_of(silent) != engine_version.code_of(silent.replace("2", "3"))
    text = 'mark = "# no comment"\n'
    assert engine_version.code_of(text) == text.strip()
