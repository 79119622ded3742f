"""How long something may take, and how much of that is left for training. Needs nothing but Python."""

import re

from lthbench.errors import UserError

BUDGET = re.compile(r"^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")
RESERVE_SHARE, RESERVE_LEAST, RESERVE_MOST = 0.15, 5.0, 60.0  # of the budget, for saving and the report (seconds)


def parse_budget(text: str) -> float:
    """Seconds of `90s`, `25m`, `6h` or `1h30m`. Raises UserError for anything else."""
    match = BUDGET.match(text.strip())
    parts = [int(part or 0) for part in match.groups()] if match else [0]
    seconds = sum(part * size for part, size in zip(parts, (3600, 60, 1), strict=False)) if match else 0
    if seconds <= 0:
        raise UserError(f"--budget {text!r} is no length of time; write 90s, 25m, 6h or 1h30m")
    return float(seconds)


def training_time(budget: float, most: float = RESERVE_MOST) -> float:
    """Seconds of a budget that may be spent before saving and the report; at least half of a very short one.

    `most` is what saving and the report may take of a long one.
    """
    return budget - min(most, max(RESERVE_LEAST, RESERVE_SHARE * budget), budget / 2)


def clock(seconds: float) -> str:
    """Minutes and seconds: 3:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
