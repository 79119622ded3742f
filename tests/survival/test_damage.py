"""A truncated or edited file is named, and made again by the same command."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from survival_lab import scope
from tiny_suite import PLAIN

Edit = Callable[[Path], None]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path: Path) -> None:
    """One bit of the last digit or weight; of a record, before its provenance, which no hash covers."""
    content = bytearray(path.read_bytes())
    whole = content.find(b'"provenance":') if b'"provenance":' in content else len(content)
    digits = [i for i, byte in enumerate(content[:whole]) if chr(byte).isdigit()]
    at = len(content) - 1 if path.suffix == ".safetensors" else digits[-1]
    content[at] ^= 1
    path.write_bytes(content)


TABLES = ("tidy.csv", "provenance.json", "inputs.csv", "verdicts.json")


@pytest.mark.parametrize(("ending", "damage"), [(".json", edit), (".safetensors", cut), (".safetensors", edit)])
def test_a_unit(lthbench, plain_run: Path, ending: str, damage: Edit) -> None:
    """A record, and the masks and weights that later units are made from."""
    wanted = {name: (scope(plain_run) / name).read_bytes() for name in ("tidy.csv", "verdicts.json")}
    file = next((plain_run / "results").rglob(f"units/**/b1-ticket-1-*{ending}"))
    whole = file.read_bytes()
    damage(file)
    done = lthbench("run", "tiny", "--out", plain_run, *PLAIN)
    assert done.returncode in (0, 1, 3), done.stderr
    said = done.stderr
    assert file.name in said
    assert "sha256" in said or "not a complete record" in said
    assert "it will be computed again" in said
    assert file.suffix == ".json" or file.read_bytes() == whole
    assert {name: (scope(plain_run) / name).read_bytes() for name in wanted} == wanted


@pytest.mark.parametrize("damage", [pytest.param(cut, marks=pytest.mark.slow), edit])
def test_generated_data_in_the_cache(
    lthbench, claims_dir: Path, tmp_path: Path, environment, monkeypatch: pytest.MonkeyPatch, damage: Edit
) -> None:
    monkeypatch.setitem(environment, "LTHBENCH_CACHE", str(tmp_path / "cache"))
    file = claims_dir / "experiments/tiny.yaml"
    drawn = file.read_text().replace(
        "{name: digits, test: 400, validation: 100}", "{name: mnist1d, test: 400, validation: 100}"
    )
    file.write_text(drawn.replace("weights: 2080", "weights: 1504"))
    out = [tmp_path / "first", tmp_path / "second"]
    first = lthbench("run", "tiny", "--claim", "ST-2", "--out", out[0], *PLAIN)
    assert first.returncode in (0, 1, 3, 4), first.stderr
    stored = sorted((tmp_path / "cache").glob("*.safetensors"))
    whole = [load_file(path) for path in stored]
    assert stored
    for path in stored:
        damage(path)
    said = lthbench("run", "tiny", "--claim", "ST-2", "--out", out[1], *PLAIN).stderr
    for path in stored:
        assert f"cache: {path} cannot be used and is made again" in said
    for path, arrays in zip(stored, whole, strict=True):  # not by bytes: tensors are listed in any order
        np.testing.assert_equal(load_file(path), arrays)
    tables = [(scope(folder).with_name("ST-2") / "tidy.csv").read_bytes() for folder in out]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("damage", [cut, edit])
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("how", ["judge", "report"])
def test_a_table_under_a_verdict(lthbench, plain_run: Path, how: str, name: str, damage: Edit) -> None:
    wanted = {name: (scope(plain_run) / name).read_bytes() for name in TABLES}
    damage(scope(plain_run) / name)
    done = lthbench(how, "tiny", "--out", plain_run)
    assert done.returncode in (0, 1, 3), done.stderr
    assert "Traceback" not in done.stderr
    read = how == "report" or name != "verdicts.json"  # which judge writes again at once
    assert (f"{name}: content does not match its sha256 in SHA256SUMS; it is made again" in done.stderr) == read
    assert {name: (scope(plain_run) / name).read_bytes() for name in wanted} == wanted


@pytest.mark.slow
def test_snakemake_sees_it_too(lthbench, plain_run: Path) -> None:
    wanted = {name: (scope(plain_run) / name).read_bytes() for name in ("tidy.csv", "verdicts.json")}
    assert lthbench("run", "tiny", "--out", plain_run).returncode in (0, 1, 3)
    for name in wanted:
        edit(scope(plain_run) / name)
        done = lthbench("run", "tiny", "--out", plain_run)
        assert done.returncode in (0, 1, 3), done.stderr
        assert f"{name}: content does not match its sha256 in SHA256SUMS; it is made again" in done.stderr
        assert {name: (scope(plain_run) / name).read_bytes() for name in wanted} == wanted
        assert (plain_run / "reports/tiny/index.html").exists()


def test_a_damaged_table_without_its_records_is_refused(lthbench, plain_run: Path) -> None:
    edit(scope(plain_run) / "tidy.csv")
    for record in (plain_run / "results").rglob("units/**/*.json"):
        record.unlink()
    done = lthbench("judge", "tiny", "--out", plain_run)
    assert done.returncode == 4
    assert "no unit records to make it from; needed first: lthbench run tiny" in done.stderr
