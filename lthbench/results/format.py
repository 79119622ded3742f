"""The public results format: anybody's measurements as one table, checked on reading (docs/results-format.md).

One row per measurement of one run, or per summary (mean, SD, n) of a cell. Whatever is ambiguous is refused with
the line, the column and the way out; nothing is guessed. Torch-free.
"""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lthbench.claims.schema import CELL
from lthbench.errors import UserError
from lthbench.files import read_bytes
from lthbench.results.frame import as_text
from lthbench.words import DASHES, nearest, shown

LARGEST_FILE = 50_000_000
ADVICE = "give a whole table with only the rows the claims need"
MOST_ROWS = 1_000_000
MOST_COLUMNS = 200
LARGEST_NUMBER = 1e12  # beyond every count and checksum; its square is still a number
SMALLEST_SD = 1e-9  # less is rounding, and its square no number
# Every metric that is known, and its kind: accuracies and gaps are percentages, 0 to 100 or of either sign.
METRICS = {
    "final_test_accuracy": "accuracy",
    "early_stop_test_accuracy": "accuracy",
    "validation_accuracy": "accuracy",
    "validation_curve_area": "accuracy",
    "final_train_accuracy": "accuracy",
    "barrier": "gap",
    "generalisation_gap": "gap",
    "early_stop_iteration": "number",
    "early_stop_log_iteration": "number",
    "validation_loss": "number",
    "mask_crc32": "number",
    "rate_total": "number",
    "test_bleu": "number",
    "wrongly_pruned": "number",
}
FAMILIES = {  # and those whose names go on
    "line_error:": "gap",
    "log_iterations_to_": "number",
    "nonzero:": "number",
    "start_moved:": "number",
    "start_rms:": "number",
}
ACCURACIES = tuple(name for name, kind in METRICS.items() if kind == "accuracy")
NUMBER_LABEL = r"^0*([0-9]{1,9})(?:\.0*)?$"
NOT_A_NUMBER = ("", "nan", "inf", "-inf", "+inf", "infinity", "-infinity", "na", "n/a", "null", "none")
OTHER_NAMES = {
    "accuracy": "value, with final_test_accuracy in the column metric",
    "mean": "value",
    "std": "sd",
    "seed": "replicate",
    "trial": "replicate",
    "run": "replicate",
    "method": "arm",
    "round": "level",
    "network": "experiment",
    "sparsity": "density, the fraction REMAINING: density = 1 - sparsity",
}


class Row(BaseModel):
    """One row of a results table: a measurement of one run, or (replicate empty) a summary of several."""

    model_config = ConfigDict(extra="allow")

    experiment: str = Field(description="network, data set and recipe; all its arms share them")
    arm: str = Field(description="how the network got its mask and weights: dense, ticket, reinit, ...")
    level: Annotated[int, Field(ge=0)] | None = Field(None, description="pruning rounds done; 0 for dense")
    density: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="fraction of weights remaining; level or density is required"
    )
    replicate: str | int | None = Field(
        None, description="label of the trial; arms of one trial share it (paired); empty for a summary"
    )
    draw: int = Field(0, ge=0, description="independent draw of a control arm inside its replicate")
    iteration: Annotated[int, Field(ge=0)] | None = Field(None, description="optimizer step, for curves")
    metric: str = Field(description="final_test_accuracy, validation_accuracy, barrier, ...")
    value: float | None = Field(description="the measurement, or the mean of a summary; empty: the run diverged")
    unit: Literal["percent", "fraction", ""] = Field("", description="of accuracies and barriers, where given")
    minus: str | None = Field(
        None, description="paired differences: the cell subtracted run by run, as dense@0 or dense@100%"
    )
    sd: Annotated[float, Field(ge=0)] | None = Field(None, description="summary: sample SD over runs")
    n: Annotated[int, Field(ge=1)] | None = Field(None, description="summary: number of runs")


REQUIRED = ("experiment", "arm", "metric", "value")
KEY = ["experiment", "arm", "level", "density", "minus", "replicate", "draw", "iteration", "metric"]


@dataclass(frozen=True)
class Results:
    """A checked table in percent, with what a reader should be told about it."""

    table: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def read_results(path: Path, unit: str | None = None) -> Results:
    """A results table from .csv, .csv.gz or .parquet; UserError names file, line, column and the way out."""
    return check_table(raw_table(path), str(path), unit)


def raw_table(path: Path) -> pd.DataFrame:
    """The file's cells as text, nothing interpreted."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a .csv, .csv.gz or .parquet file")
    if path.stat().st_size > LARGEST_FILE:
        raise UserError(f"{path}: larger than {LARGEST_FILE // 10**6} MB; {ADVICE}")
    try:
        if path.suffix == ".parquet":
            return parquet(path)
        if not path.name.endswith((".csv", ".csv.gz")):
            raise UserError(f"{path}: unknown kind of file; give a .csv, .csv.gz or .parquet file")
        return text_table(read_bytes(path, LARGEST_FILE, UserError, ADVICE).decode("utf-8-sig"), path)
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path}: not a readable table: {error}") from None


def text_table(text: str, path: Path) -> pd.DataFrame:
    """A csv text as a table of strings; the index holds line numbers, for messages."""
    head = text.partition("\n")[0]
    if "," not in head and (";" in head or "\t" in head):
        raise UserError(f"{path}: line 1: columns are not separated by commas; save it as comma-separated values")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    if len(header) > MOST_COLUMNS:
        raise UserError(f"{path}: {len(header)} columns, at most {MOST_COLUMNS}; keep only those of the format")
    rows: list[list[str]] = []
    lines: list[int] = []
    for fields in reader:
        if not fields:
            continue  # an empty line
        if len(fields) != len(header):
            raise UserError(
                f"{path}: line {reader.line_num}: {len(fields)} fields, the header has {len(header)}; numbers "
                "need a decimal point, texts with commas need quotes"
            )
        rows.append(fields)
        lines.append(reader.line_num)
        if len(rows) > MOST_ROWS:
            raise UserError(f"{path}: more than {MOST_ROWS:,} rows; keep only the rows the claims need")
    return pd.DataFrame(rows, columns=header, index=lines, dtype=str)


def parquet(path: Path) -> pd.DataFrame:
    """A parquet file; pyarrow is an optional extra."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(
            f"{path}: reading parquet needs pyarrow: pip install 'lthbench[parquet]', or save it as .csv"
        ) from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        if file.metadata.num_rows > MOST_ROWS or size > LARGEST_FILE:
            raise UserError(
                f"{path}: more than {MOST_ROWS:,} rows or {LARGEST_FILE // 10**6} MB; keep only what is needed"
            )
        for column in file.schema_arrow:
            if pyarrow.types.is_nested(column.type):
                raise UserError(f"{path}: column '{shown(column.name)}' holds lists; keep numbers and texts only")
        if len(file.schema_arrow) > MOST_COLUMNS:
            raise UserError(f"{path}: more than {MOST_COLUMNS} columns; keep only those of the format")
        frame = file.read().to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, OSError, ValueError, LookupError, OverflowError) as error:
        raise UserError(f"{path}: not a readable parquet file: {shown(error, 120)}") from None
    return as_text(frame)


def check_table(raw: pd.DataFrame, name: str, unit: str | None = None) -> Results:
    """Check a table of text and give it types, one unit (percent) and defaults; `name` is for messages."""
    raw = raw.rename(columns=lambda column: str(column).strip()).map(str.strip)
    check_columns(list(raw.columns), name)
    if raw.empty:
        raise UserError(f"{name}: the table has no rows")
    raw = raw.assign(**{column: "" for column in Row.model_fields if column not in raw})
    texts = ("experiment", "arm", "metric", "minus", "replicate", "unit")
    table = pd.DataFrame({column: raw[column] for column in texts})
    for column in ("experiment", "arm", "metric"):
        refuse(name, raw[column] == "", column, raw[column], "is empty; every row needs it")
    table["level"] = whole_numbers(name, raw, "level", 0)
    table["density"] = densities(name, raw)
    table["draw"] = whole_numbers(name, raw, "draw", 0).fillna(0)
    table["iteration"] = whole_numbers(name, raw, "iteration", 0)
    table["value"] = numbers(name, raw, "value")
    table["sd"] = numbers(name, raw, "sd")
    table["n"] = whole_numbers(name, raw, "n", 1)
    refuse(name, table["sd"] < 0, "sd", raw["sd"], "is negative; an SD is not")
    tiny = table["sd"].between(0, SMALLEST_SD, inclusive="neither")
    refuse(name, tiny, "sd", raw["sd"], "is smaller than any rounding; write 0")
    missing = table["level"].isna() & table["density"].isna()
    refuse(
        name, missing, "level", raw["level"], "and density are both empty; give one (dense: level 0 or density 1)"
    )
    # Nothing pruned has two addresses, level 0 and density 1; a table may use either.
    table["density"] = table["density"].where(table["density"].notna() | table["level"].ne(0).fillna(True), 1.0)
    table["level"] = table["level"].where(table["level"].notna() | table["density"].ne(1.0), 0)
    summary = (table["replicate"] == "") | table["sd"].notna() | table["n"].notna()
    refuse(
        name, summary & (table["replicate"] != ""), "replicate", raw["replicate"],
        "stands beside sd or n; a summary of several runs has no replicate",
    )  # fmt: skip
    check_differences(name, raw, table)
    table["replicate"] = one_form(table)
    check_duplicates(name, table)
    check_kinds(name, table, summary)
    table = in_percent(name, table, unit)
    used = table if (table["minus"] != "").any() else table.drop(columns="minus")
    return Results(used.drop(columns="unit").reset_index(drop=True), notes(raw, table))


def check_columns(columns: list[str], name: str) -> None:
    """The required columns are there, once each."""
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise UserError(f"{name}: column '{shown(twice[0])}' is there twice; remove one")
    lacking = [column for column in REQUIRED if column not in columns]
    if "level" not in columns and "density" not in columns:
        lacking.append("level or density")
    if not lacking:
        return
    hints = [hint(column, lacking) for column in columns if column not in Row.model_fields]
    there = ", ".join(map(shown, columns[:12]))
    raise UserError(
        f"{name}: missing {'column' if len(lacking) == 1 else 'columns'} {', '.join(lacking)} (found: {there})"
        + "".join(f"; {said}" for said in hints[:12] if said)
        + "\nthe format: docs/results-format.md, or `lthbench schema results`"
    )


def hint(column: str, lacking: list[str]) -> str:
    """What a column was probably meant to be."""
    other = OTHER_NAMES.get(column.lower())
    near = nearest(column, [*lacking, "level", "density"])
    return f"rename '{shown(column)}' to {other or near[0]}" if other or near else ""


def refuse(name: str, bad: pd.Series, column: str, raw: pd.Series, why: str) -> None:
    """Refuse the table at the first bad row."""
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        count = int(bad.sum())
        more = f" ({count - 1} more rows like it)" if count > 1 else ""
        raise UserError(f"{name}: line {bad.index[row]}: {column}{quoted(raw.iloc[row])} {why}{more}")


def quoted(text: str) -> str:
    """A cell's text in a message."""
    return f" '{shown(text)}'" if text else ""


def numbers(name: str, raw: pd.DataFrame, column: str) -> pd.Series:
    """A column of numbers, with any minus that is printed; empty cells, nan and infinities are missing."""
    text = raw[column].str.replace(DASHES, "-", regex=True)
    absent = text.str.lower().isin(NOT_A_NUMBER)
    parsed = pd.to_numeric(text.where(~absent), errors="coerce").astype(float)
    refuse(name, parsed.isna() & ~absent, column, text, "is no number; write it with a decimal point, without %")
    large = parsed.abs() > LARGEST_NUMBER
    refuse(name, large & ~absent, column, text, f"is larger than {LARGEST_NUMBER:g}; no measurement here is")
    return parsed.where(np.isfinite(parsed))


def whole_numbers(name: str, raw: pd.DataFrame, column: str, least: int) -> pd.Series:
    """A column of whole numbers, empty where it has no meaning."""
    parsed = numbers(name, raw, column)
    bad = parsed.notna() & ((parsed != parsed.round()) | (parsed < least) | (parsed > 2**53))
    refuse(name, bad, column, raw[column], f"is no whole number from {least} up")
    return parsed.astype("Int64")


def densities(name: str, raw: pd.DataFrame) -> pd.Series:
    """Fractions of weights remaining."""
    parsed = numbers(name, raw, "density")
    bad = parsed.notna() & ~((parsed > 0) & (parsed <= 1))
    refuse(name, bad, "density", raw["density"], "is no fraction remaining (above 0, at most 1): 20 % is 0.2")
    return parsed


def one_form(table: pd.DataFrame) -> pd.Series:
    """Replicate labels, where all of an experiment are whole numbers in one form: 1, 01 and 1.0 are one label."""
    labels = table["replicate"]
    number = labels.str.fullmatch(NUMBER_LABEL)
    numbers = (number | labels.eq("")).groupby(table["experiment"]).transform("all") & number
    return labels.where(~numbers, labels.str.replace(NUMBER_LABEL, r"\1", regex=True))


def check_duplicates(name: str, table: pd.DataFrame) -> None:
    """No measurement is there twice."""
    again = table.duplicated(KEY)
    if again.any():
        row = int(np.flatnonzero(again.to_numpy())[0])
        same = (table[KEY].fillna(-1) == table[KEY].fillna(-1).iloc[row]).all(axis=1)
        first = int(np.flatnonzero(same.to_numpy())[0])
        first_row = table.iloc[row]
        raise UserError(
            f"{name}: lines {table.index[first]} and {table.index[row]} measure the same thing "
            f"({', '.join(shown(first_row[key]) for key in ('arm', 'metric'))}, replicate "
            f"'{shown(first_row['replicate'])}'); "
            "number the replicates, or remove one"
        )


def check_differences(name: str, raw: pd.DataFrame, table: pd.DataFrame) -> None:
    """A row of paired differences is a summary, and names the cell that was subtracted."""
    differences = table["minus"] != ""
    refuse(
        name, differences & (table["replicate"] != ""), "replicate", raw["replicate"],
        "stands beside minus; differences are a summary (value: mean, sd: SD of the differences, n: pairs)",
    )  # fmt: skip
    no_cell = differences & ~table["minus"].map(lambda text: CELL.fullmatch(text) is not None)
    refuse(
        name, no_cell, "minus", raw["minus"], "is no cell; write arm@level (dense@0) or by density (dense@100%)"
    )


def check_kinds(name: str, table: pd.DataFrame, summary: pd.Series) -> None:
    """A cell has runs or a summary, not both."""
    cell = ["experiment", "arm", "level", "density", "minus", "metric"]
    kinds = summary.groupby([table[column] for column in cell], dropna=False).nunique()
    if (kinds > 1).any():
        experiment, arm, *_, metric = kinds.index[int(np.flatnonzero(kinds.to_numpy() > 1)[0])]
        raise UserError(
            f"{name}: {', '.join(map(shown, (experiment, arm, metric)))}: single runs and a summary of one cell; "
            "keep the runs, or number every replicate"
        )


def in_percent(name: str, table: pd.DataFrame, declared: str | None) -> pd.DataFrame:
    """Accuracies, barriers and gaps in percent; a unit that is not declared has to be beyond doubt."""
    measured = table["metric"].map(kind_of).isin(["accuracy", "gap"])
    unit = table["unit"].where(table["unit"] != "", declared or "")
    refuse(name, measured & ~unit.isin(["", "percent", "fraction"]), "unit", unit, "is not percent or fraction")
    open_ = measured & (unit == "") & table["value"].notna()
    accuracies = table["metric"].isin(ACCURACIES) & (table["minus"] == "")  # a difference may have either sign
    at_most_one = open_ & accuracies & (table["value"] <= 1)
    if at_most_one.any() or (open_.any() and not (open_ & accuracies).any()):
        raise UserError(ambiguous(name, table, open_ & accuracies, at_most_one))
    factor = np.where(measured & (unit == "fraction"), 100.0, 1.0)
    table = table.assign(value=table["value"] * factor, sd=table["sd"] * factor)
    beyond = accuracies & ~table["value"].between(0, 100) & table["value"].notna()
    refuse(name, beyond, "value", (table["value"] / factor).map("{:g}".format), "is no accuracy in its unit")
    return table


def kind_of(metric: str) -> str:
    """What a metric is: `accuracy`, `gap` or `number`; empty for one that nothing here knows."""
    family = next((kind for start, kind in FAMILIES.items() if metric.startswith(start)), "")
    return METRICS.get(metric, family)


def is_known(metric: str) -> bool:
    """Whether claims or gates read a metric."""
    return bool(kind_of(metric))


def ambiguous(name: str, table: pd.DataFrame, open_: pd.Series, at_most_one: pd.Series) -> str:
    """Why the unit of accuracies has to be declared."""
    way_out = "declare it: --unit fraction (0..1) or --unit percent (0..100), or a column unit"
    if not open_.any():
        return f"{name}: barriers or gaps without accuracies, in percent or as fractions? {way_out}"
    low = int(np.flatnonzero(at_most_one.to_numpy())[0])
    if at_most_one.sum() == open_.sum():
        return f"{name}: line {table.index[low]}: every accuracy is at most 1, fractions or percent? {way_out}"
    high = int(np.flatnonzero((open_ & ~at_most_one).to_numpy())[0])
    return (
        f"{name}: mixed units? line {table.index[low]} has accuracy {table['value'].iloc[low]:g}, line "
        f"{table.index[high]} {table['value'].iloc[high]:g}; {way_out} that says which row is which"
    )


def notes(raw: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """What a reader should be told about a table that was accepted."""
    said = []
    unknown = [column for column in raw.columns if column not in Row.model_fields]
    if unknown:
        more = f" and {len(unknown) - 12} more" if len(unknown) > 12 else ""
        said.append(f"columns that no claim uses: {', '.join(map(shown, unknown[:12]))}{more}")
    gone = table["value"].isna()
    if gone.any():
        line = table.index[int(np.flatnonzero(gone.to_numpy())[0])]
        said.append(
            f"values missing: {int(gone.sum())}, the first in line {line}; read as diverged runs: a claim that "
            "needs one is BLOCKED"
        )
    return said
