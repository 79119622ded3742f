"""The study of the rule as text: a Markdown table of worst cases, and a row of numbers for every question."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lthbench.calibration.noise import COLLAPSES, SHAPES
from lthbench.calibration.rules import ALPHA, DROPPED, PLAIN, RECOMMENDED, Answer

NONE, *SOME = COLLAPSES
RATES = {"none": (NONE,), "1 %": tuple(c for c in SOME if "1 %" in c), "3 %": tuple(c for c in SOME if "3 %" in c)}
"""How many runs collapse, in either arm: the columns of power."""


def lines(answers: Sequence[Answer]) -> Iterator[str]:
    """Worst cases by test and looks, then the primary hypotheses of claims/."""
    yield (
        "| test | n | runs that collapse | level | worst false PASS | (noise) | against the plain mean, normal | "
        "worst | power, normal noise: none collapses | 1 % | 3 % | power, worst noise: none | 1 % | 3 % |"
    )
    yield "|" + "---|" * 14
    designs = [a for a in answers if reported(a) and of_a_design(a)]
    for (test, looks), group in grouped(designs, lambda a: (a.question.rule.test, a.question.looks)).items():
        for (treatment, level), rows in grouped(group, lambda a: (a.treatment, a.level)).items():
            yield f"| {test} | {looks} | {treatment} | {100 * level:g} % | {worst_cases(rows)} |"
    yield ""
    yield (
        "| primary hypothesis | test | n | delta / SD | effect / delta | runs that collapse | level | "
        "worst false PASS | power: none collapses | 1 % | 3 % |"
    )
    yield "|" + "---|" * 11
    yield from (of_claims(a) for a in answers if reported(a) and not of_a_design(a))


def of_claims(a: Answer) -> str:
    """The row of a primary hypothesis of claims/."""
    q = a.question
    power = " | ".join(f"{100 * least(a.power, 'normal', some):.1f} %" for some in RATES.values())
    return (
        f"| {q.name} | {q.rule.test} | {q.looks} | {q.rule.delta:.2f} | {q.effect / q.rule.delta:.2f} | "
        f"{a.treatment} | {100 * a.level:.3g} % | {100 * max(a.false_pass.values()):.1f} % | {power} |"
    )


def of_a_design(a: Answer) -> bool:
    """Whether it is about a design of the study, and not a hypothesis of claims/."""
    return a.question.name.endswith("least")


def reported(a: Answer) -> bool:
    """Of designs what primary and secondary claims would have; of claims/ the old rule and the recommended one."""
    before, now = (a.treatment, a.level) == (PLAIN, ALPHA), a.level == a.question.level
    if of_a_design(a):
        return now or a.treatment != DROPPED
    return before or (now and a.treatment == RECOMMENDED)


def grouped(answers: Sequence[Answer], key: Callable[[Answer], tuple[Any, ...]]) -> dict[Any, list[Answer]]:
    """Answers by some key, in their order."""
    found: dict[Any, list[Answer]] = {}
    for answer in answers:
        found.setdefault(key(answer), []).append(answer)
    return found


def worst_cases(rows: Sequence[Answer]) -> str:
    """The cells of several questions together."""
    rate, noise = max((rate, noise) for a in rows for noise, rate in a.false_pass.items())
    normal = max(a.plain[f"normal, {NONE}"] for a in rows)
    plain = max(max(a.plain.values()) for a in rows)
    powers = [
        min(least(a.power, shape, some) for a in rows) for shape in ("normal", "") for some in RATES.values()
    ]
    rates = [normal, plain, *powers]
    return f"{100 * rate:.1f} % | {noise} | " + " | ".join(f"{100 * x:.1f} %" for x in rates)


def least(power: Mapping[str, float], shape: str, collapses: Sequence[str]) -> float:
    """The least power with a shape of noise (any: empty) and some collapses."""
    return min(p for noise, p in power.items() if noise.startswith(shape) and noise.endswith(tuple(collapses)))


def csv_text(answers: Sequence[Answer]) -> str:
    """Every number that is reported, in percent: a row per question, treatment and level."""
    noises = [f"{shape}, {collapse}" for shape in SHAPES for collapse in COLLAPSES]
    alone = [f"{shape}, {NONE}" for shape in SHAPES]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["question", "test", "n", "delta/SD", "effect/SD", "collapsed runs", "level"]
        + [f"false PASS: {noise}" for noise in noises]
        + [f"false PASS against the plain mean: {noise}" for noise in alone]
        + [f"power: {noise}" for noise in noises]
    )
    for a in filter(reported, answers):
        q = a.question
        rates = [*(a.false_pass[x] for x in noises), *(a.plain[x] for x in alone), *(a.power[x] for x in noises)]
        writer.writerow(
            [q.name, q.rule.test, q.looks, f"{q.rule.delta:.3g}", f"{q.effect:.3g}", a.treatment]
            + [f"{100 * a.level:.4g}"]
            + [f"{100 * rate:.1f}".removesuffix(".0") for rate in rates]
        )
    return out.getvalue()
