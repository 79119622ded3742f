"""Results name the engine that made them, so the declared engine must be the code that is there."""

from pathlib import Path

import pytest

from lthbench import engine_version


def test_the_declared_source_is_the_source() -> None:
    """When this fails: raise VERSION if a number can change, and put the new hash into SOURCE."""
    assert engine_version.source_hash() == engine_version.SOURCE, engine_version.source_hash()
    assert engine_version.engine() == str(engine_version.VERSION)


def test_changed_code_gets_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_version, "SOURCE", "something else")
    assert engine_version.engine() == f"{engine_version.VERSION}+{engine_version.source_hash()}"


def test_the_hash_sees_every_science_module(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(engine_version.__file__).parent
    seen = [root / entry for entry in engine_version.SCIENCE]
    assert all(path.exists() for path in seen)
    compute = engine_version.source_hash.__wrapped__  # without the cache, which other tests' names come from
    before = compute()
    changed = root / "training" / "stack.py"
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self) + (b"#" if self == changed else b""))
    assert compute() != before
