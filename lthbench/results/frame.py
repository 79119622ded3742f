"""A pandas table as the text that a results file would hold, so that both are read by one set of checks."""

import pandas as pd

FIRST_LINE = 2  # the row that a table's first one would be in a file


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Every cell as text, empty where nothing is there; the index holds line numbers, for messages."""
    text = frame.astype(object).map(
        lambda cell: "" if cell is None or cell is pd.NA or cell != cell else str(cell)
    )
    text.index = pd.RangeIndex(FIRST_LINE, len(frame) + FIRST_LINE)
    return text
