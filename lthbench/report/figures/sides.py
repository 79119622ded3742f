"""Which arm a difference speaks for, in words: `ticket better` on one side of 0, `dense better` on the other."""

import math
from typing import NamedTuple

from lthbench.claims.schema import threshold
from lthbench.judging.verdict import LineResult
from lthbench.report.figures.style import Look, look
from lthbench.report.numbers import fixed, short, there
from lthbench.words import plain

MORE = (
    "final_test_accuracy",
    "final_train_accuracy",
    "early_stop_test_accuracy",
    "validation_curve_area",
    "test_bleu",
)
SOONER = ("early_stop_iteration", "early_stop_log_iteration")
GAP = "generalisation_gap"
AGAINST, FAVOUR = "against it", "for the claim"
ENDPOINTS = {
    "final_test_accuracy": "final test accuracy",
    "final_train_accuracy": "final training accuracy",
    "generalisation_gap": "training minus test accuracy",
    "early_stop_test_accuracy": "accuracy at the early stop",
    "early_stop_iteration": "early-stop iteration",
    "early_stop_log_iteration": "ln early-stop iteration",
    "validation_curve_area": "area under curve (valid.)",
    "barrier": "error barrier",
    "test_bleu": "BLEU",
}


class Side(NamedTuple):
    """One side of no difference: what it says, and the look of the arm that it speaks for."""

    says: str
    look: Look
    name: str = ""  # the arm; empty where the side speaks for none


def sides(line: LineResult) -> tuple[Side, Side]:
    """What a difference below 0 says, and what one above it says."""
    second, first = zip(labels(line), reversed(arms(line)), strict=True)
    word = better(line.endpoint)
    if not (first[1] and second[1] and first != second and word):
        return Side(AGAINST, look("")), Side(FAVOUR, look(""))
    if word != "better":
        first, second = second, first  # the smaller number is the better one
    against, favour = (Side(f"{name} {word}", look(arm), name) for name, arm in (second, first))
    return against, favour


def better(endpoint: str) -> str:
    """What the better one of two arms is; empty where the endpoint compares no two networks."""
    if endpoint in SOONER or threshold(endpoint) is not None:
        return "sooner"
    return "smaller gap" if endpoint == GAP else "better" * (endpoint in MORE)


def arms(line: LineResult) -> tuple[str, str]:
    """The two arms of a contrast; an empty name for a side that is a number."""
    first, _, second = line.contrast.partition(" - ")
    return arm(first), arm(second)


def arm(side: str) -> str:
    """`ticket` of `experiment:ticket@9`."""
    name, at, _ = side.rpartition(":")[2].partition("@")
    return plain(name) if at else ""


def labels(line: LineResult) -> tuple[str, str]:
    """The names of the two sides, subtrahend first; what tells them apart where both are the same arm."""
    first, _, second = line.contrast.partition(" - ")
    names = [arm(side) or plain(side) for side in (second, first)]
    if names[0] == names[1]:
        ends = apart([side.rpartition(":")[0] for side in (second, first)]) or [
            side.rpartition("@")[2] for side in (second, first)
        ]
        names = [plain(f"{name} {end}".strip()) for name, end in zip(names, ends, strict=True)]
    return names[0], names[1]


def apart(names: list[str]) -> list[str]:
    """What two names do not share, parts at hyphens; nothing where they are one."""
    parts = [name.split("-") for name in names]
    return ["-".join(part for part in own if part not in other) for own, other in (parts, parts[::-1])] * (
        names[0] != names[1]
    )


def endpoint(line: LineResult) -> str:
    """What was measured, in a few words."""
    percent = threshold(line.endpoint)
    return f"ln iterations to {percent:g} %" if percent else ENDPOINTS.get(line.endpoint, line.endpoint)


def came_out(line: LineResult) -> str:
    """How a difference came out: `ticket better than reinit by 10.14 pp (95 % interval 9.55 to 10.72)`."""
    e = line.evidence or {}
    mean, low, high = (e.get(name) for name in ("mean", "low", "high"))
    if mean is None or not there(mean):
        return ""
    against, favour = sides(line)
    ahead, behind = (favour, against) if mean >= 0 else (against, favour)
    if mean < 0 and low is not None and high is not None:
        low, high = -high, -low
    spread = f" (95 % interval {fixed(low)} to {fixed(high)})" if there(low) and there(high) else ""
    bare = f"{fixed(abs(mean))} {line.unit}{factor(line, mean)}"
    size = bare + spread
    number = beside_a_number(line)
    if number:
        name, value, sign = number
        return f"{name} lies {bare} {'above' if mean * sign >= 0 else 'below'} {value}{spread}"
    if not ahead.name:
        where = "in favour of the claim" if mean >= 0 else "against the claim"
        return f"a difference of {size} {where}" if line.test != "equivalence" else f"a difference of {size}"
    return f"{verb(ahead, behind)} by {size}"


def beside_a_number(line: LineResult) -> tuple[str, str, int] | None:
    """Of a contrast with a number: the arm, the number, and 1 where d grows with the arm, else -1."""
    first, _, second = line.contrast.partition(" - ")
    names = arms(line)
    if bool(names[0]) == bool(names[1]):
        return None
    return (names[0], plain(second), 1) if names[0] else (names[1], plain(first), -1)


def verb(ahead: Side, behind: Side) -> str:
    """`ticket better than reinit`."""
    than = f" than {behind.name}"
    return ahead.says + than if not ahead.says.endswith("gap") else f"{ahead.name} with a smaller gap{than}"


def factor(line: LineResult, mean: float) -> str:
    """A difference of logarithms as a factor, too."""
    return f", a factor of {short(round(math.exp(abs(mean)), 2))}" if line.unit == "ln units" else ""
