"""Injecting every mutant takes minutes: only where asked for, with -m mutants."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "mutants" in (config.option.markexpr or ""):
        return
    dropped = [item for item in items if item.get_closest_marker("mutants")]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if not item.get_closest_marker("mutants")]
