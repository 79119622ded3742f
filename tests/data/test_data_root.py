from pathlib import Path

from lthbench.data.root import data_root


def test_data_root(monkeypatch, tmp_path):
    monkeypatch.setenv("LTHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LTHBENCH_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.setenv("LTHBENCH_DATA", "~/sets")
    assert data_root() == Path.home() / "sets"
    monkeypatch.setenv("LTHBENCH_DATA", "")
    assert data_root() == tmp_path / "cache" / "data"
    monkeypatch.delenv("LTHBENCH_DATA")
    assert data_root() == tmp_path / "cache" / "data"
