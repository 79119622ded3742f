"""The example notebook runs from its first cell to its last, and shows what its text says."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "method.ipynb"


def shown(notebook: dict) -> list[str]:
    """The text of every output, in order."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    return ["".join(o.get("text") or o["data"]["text/plain"]) for o in outputs]


def check(outputs: list[str]) -> None:
    """A table of verdicts, differences, a table, and a mistake in a line."""
    verdicts, differences, table, mistake = outputs
    assert all(claim in verdicts for claim in ("FC-1", "FC-6", "FC-7", "IMP-1"))
    assert "took 200 optimizer steps" in verdicts
    assert differences.startswith("array(")
    assert "found-random-mask" in table
    assert "is float32; give booleans" in mistake


def test_the_stored_outputs_are_whole_and_name_no_place() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    check(shown(json.loads(text)))
    assert "/home" not in text
    assert "/tmp" not in text


@pytest.mark.slow
def test_it_runs() -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    nbclient.NotebookClient(notebook, timeout=1800).execute()
    check(shown(notebook))
