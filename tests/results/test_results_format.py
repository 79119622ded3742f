"""The public results format: what is wrong is one or two lines that name the file, the place and the way out."""

import gzip
import json
from pathlib import Path

import pytest

from lthbench.errors import UserError
from lthbench.results.format import LARGEST_FILE, Row, read_results

ROOT = Path(__file__).parents[2]
HEAD = "experiment,arm,level,replicate,metric,value"
RUN = "e,ticket,1,{},final_test_accuracy,{}"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "theirs.csv"


def refused(path: Path, *says: str, unit: str | None = None) -> None:
    with pytest.raises(UserError) as error:
        read_results(path, unit)
    message = str(error.value)
    assert message.startswith(str(path))
    assert message.count("\n") <= 1
    for words in says:
        assert words in message, message


def test_a_plain_table(file) -> None:
    found = read_results(write(file, HEAD, RUN.format("a", 61.5), "e,dense,0,a,final_test_accuracy,63"))
    assert found.notes == []
    assert found.table["value"].tolist() == [61.5, 63]
    assert found.table["density"].tolist()[1] == 1  # level 0 and density 1 are one address


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([HEAD.replace("value", "accuracy"), RUN.format("a", 1)], ["missing column value", "rename 'accuracy'"]),
        ([HEAD.replace("level", "sparsity"), RUN.format("a", 1)], ["level or density", "1 - sparsity"]),
        ([HEAD.replace("arm", "amr"), RUN.format("a", 1)], ["missing column arm", "rename 'amr' to arm"]),
        ([HEAD.replace(",", ";"), "x"], ["line 1", "commas"]),
        ([HEAD], ["no rows"]),
        ([HEAD, RUN.format("a", "61,5")], ["line 2: 7 fields, the header has 6", "decimal point"]),
        ([HEAD, "", RUN.format("a", "x")], ["line 3", "value 'x' is no number"]),
        ([HEAD, RUN.format('"a', 60)], ["not a readable table"]),
        ([HEAD, RUN.format("a", "61.5%")], ["line 2", "value '61.5%' is no number"]),
        ([HEAD, "e,,1,a,final_test_accuracy,60"], ["line 2", "arm is empty"]),
        ([HEAD, "e,ticket,,a,final_test_accuracy,60"], ["line 2", "level and density are both empty"]),
        ([HEAD, "e,ticket,1.5,a,final_test_accuracy,60"], ["line 2", "level '1.5' is no whole number"]),
        ([HEAD.replace("level", "density"), "e,ticket,20,a,final_test_accuracy,60"], ["20 % is 0.2"]),
        ([HEAD, RUN.format("a", 60), RUN.format("a", 60)], ["lines 2 and 3 measure the same thing", "number the"]),
        ([HEAD, RUN.format("", 60), RUN.format("", 61)], ["lines 2 and 3 measure the same thing", "number the"]),
        ([HEAD, RUN.format("a", 60), RUN.format("", 61)], ["single runs and a summary"]),
        ([HEAD + ",n", RUN.format("a", 60) + ",3"], ["line 2", "a summary of several runs has no replicate"]),
        ([HEAD + ",sd,n", RUN.format("", 60) + ",-1,3"], ["line 2", "sd '-1' is negative"]),
        ([HEAD, RUN.format("a", 160)], ["line 2", "value '160' is no accuracy"]),
        ([HEAD, RUN.format("a", 0.6), RUN.format("b", 0.7)], ["every accuracy is at most 1", "--unit fraction"]),
        ([HEAD, RUN.format("a", 60), RUN.format("b", 0.6)], ["mixed units? line 3 has accuracy 0.6, line 2 60"]),
        ([HEAD, "e,dense-copy,0,a,barrier,0.4"], ["barriers or gaps without accuracies", "--unit"]),
        ([HEAD + ",unit", RUN.format("a", 60) + ",pp"], ["unit 'pp' is not percent or fraction"]),
        ([HEAD + ",value", RUN.format("a", 60) + ",3"], ["column 'value' is there twice"]),
    ],
)  # fmt: skip
def test_what_is_refused(file, lines, says) -> None:
    refused(write(file, *lines), *says)


@pytest.mark.parametrize("minus", ["-", "\u2212", "\u2013"])
def test_any_printed_minus_is_read(file, minus: str) -> None:
    lines = [
        HEAD,
        f"e,ticket,1,a,generalisation_gap,{minus}0.5",
        f"e,dense,0,a,generalisation_gap,{minus}1e{minus}2",
    ]
    assert read_results(write(file, *lines), "percent").table["value"].tolist() == [-0.5, -0.01]


def test_units_can_be_declared(file) -> None:
    write(file, HEAD + ",unit", RUN.format("a", 0.6) + ",fraction", RUN.format("b", 60) + ",percent")
    assert read_results(file).table["value"].tolist() == [60, 60]
    write(file, HEAD + ",sd,n", RUN.format("", 0.6) + ",0.01,3")
    table = read_results(file, "fraction").table
    assert (table["value"][0], table["sd"][0]) == (60, 1)
    refused(write(file, HEAD, RUN.format("a", 60)), "value '60' is no accuracy in its unit", unit="fraction")


def test_missing_values_are_diverged_runs_and_said(file) -> None:
    found = read_results(write(file, HEAD, RUN.format("a", 60), RUN.format("b", "nan"), RUN.format("c", "inf")))
    assert found.table["value"].isna().tolist() == [False, True, True]
    assert "values missing: 2, the first in line 3" in found.notes[0]


def test_columns_of_ones_own_are_kept_out_and_said(file) -> None:
    assert "color" in read_results(write(file, HEAD + ",color", RUN.format("a", 60) + ",red")).notes[0]


def test_files_that_are_no_tables(tmp_path) -> None:
    refused(tmp_path / "none.csv", "no such file")
    for name in ("a.csv", "a.parquet", "a.csv.gz"):
        path = tmp_path / name
        path.write_bytes(b"\x1f\x8b\x08\xff" + bytes(range(256)))
        refused(path)
    (tmp_path / "a.txt").write_text(HEAD)
    refused(tmp_path / "a.txt", "unknown kind of file")


def test_files_that_are_too_large(tmp_path) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as stream:
        for _ in range(LARGEST_FILE // 10**6 + 1):
            stream.write(b"0" * 10**6)
    assert path.stat().st_size < 10**6
    refused(path, "unpacks to more than 50 MB")


def test_parquet_is_the_same_table(tmp_path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    csv = write(tmp_path / "a.csv", HEAD, RUN.format("a", 61.5), RUN.format("b", 62))
    pd.read_csv(csv).to_parquet(tmp_path / "a.parquet")
    assert read_results(tmp_path / "a.parquet").table.equals(read_results(csv).table)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    refused(tmp_path / "a.parquet", "pip install 'lthbench[parquet]'")


def test_the_committed_schema_is_the_codes() -> None:
    assert json.loads((ROOT / "docs/results.schema.json").read_text()) == Row.model_json_schema()


def test_gaps_are_converted_with_the_accuracies_they_come_from(tmp_path) -> None:
    rows = ["e,dense,0,a,final_test_accuracy,0.9", "e,dense,0,a,generalisation_gap,-0.02"]
    (tmp_path / "t.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    table = read_results(tmp_path / "t.csv", "fraction").table
    assert list(table["value"]) == pytest.approx([90, -2])
