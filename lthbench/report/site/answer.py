"""The answer in plain words. Sentences are made from verdicts and claim files; none knows how they came out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lthbench.claims.load import Registry
from lthbench.judging.verdict import SYMBOLS
from lthbench.report.numbers import count, rate
from lthbench.report.sentences import listed
from lthbench.report.site.columns import Column
from lthbench.report.site.table import SCALES, Cell, Group, Row

RULE = (
    "“Yes”: every run at that scale gave PASS. “No”: every one gave FAIL. “It depends”: some gave PASS and some "
    "FAIL. “Not decided”: anything else. The word is about these claims only: {claims}."
)
OPEN = ("FAIL", "BLOCKED", "INCONCLUSIVE", "NOT DECIDABLE")  # the verdicts one has to look for


@dataclass(frozen=True)
class Answer:
    """One scale (or one run of somebody's own), the word for it, and the cells it rests on."""

    where: str
    word: str
    rows: tuple[tuple[Row, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Waiting:
    """Claims of one suite that are registered and have no numbers yet."""

    column: Column
    cells: tuple[Cell, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing of the suite was run."""
        return self.column.run is None


@dataclass(frozen=True)
class Summary:
    """All that stands above the table."""

    answers: tuple[Answer, ...]
    rule: str
    sure: str
    questions: tuple[tuple[Group, str], ...]  # with how their claims stand, in words
    opened: tuple[tuple[Row, Cell], ...]  # what did not pass, FAIL first
    seeds: tuple[tuple[Row, Cell], ...]  # other master seeds that came out otherwise
    limits: tuple[tuple[Row, tuple[Cell, ...]], ...]  # claims that qualify the hypothesis
    rests_on: tuple[str, ...]
    waiting: tuple[Waiting, ...]


def summary(registry: Registry, columns: Sequence[Column], groups: Sequence[Group]) -> Summary:
    """What the cells of the table come to."""
    rows = [row for group in groups for row in group.rows]
    pairs = [(row, cell) for row in rows for cell in row.there]
    hypothesis = registry.questions.hypothesis if registry.questions else []
    named = ", ".join(hypothesis)
    return Summary(
        answers=tuple(answers([row for row in rows if row.id in hypothesis])),
        rule=RULE.format(claims=named),
        sure=sure(columns),
        questions=tuple((group, stand([cell for row in group.rows for cell in row.there])) for group in groups),
        opened=tuple((row, cell) for word in OPEN for row, cell in pairs if cell.verdict == word),
        seeds=tuple((row, cell) for row, cell in pairs if len(cell.verdicts) > 1),
        limits=tuple(limiting(rows, hypothesis)),
        rests_on=tuple(rests_on(columns, [cell for _, cell in pairs])),
        waiting=tuple(waiting(columns, [cell for _, cell in pairs])),
    )


def answers(rows: Sequence[Row]) -> Iterable[Answer]:
    """The claims that state the hypothesis, by scale; then as each run of somebody's own has them."""
    cells = [cell for row in rows for cell in row.there]
    for scale, where in SCALES.items():
        yield from answer(f"At {where}" if scale in ("reduced", "paper") else f"On {where}", rows,
                          [cell for cell in cells if cell.scale == scale and not cell.column.label])  # fmt: skip
    for column in {id(cell.column): cell.column for cell in cells if cell.column.label}.values():
        yield from answer(f"In {column.name}", rows, [cell for cell in cells if cell.column is column])


def answer(where: str, rows: Sequence[Row], cells: Sequence[Cell]) -> Iterable[Answer]:
    """One answer, where there is a cell."""
    own = [(row, tuple(cell for cell in row.there if any(cell is other for other in cells))) for row in rows]
    if cells:
        yield Answer(where, word([cell.verdict for cell in cells]), tuple(pair for pair in own if pair[1]))


def word(verdicts: Sequence[str]) -> str:
    """One word for several verdicts, as RULE says."""
    known = {verdict for verdict in verdicts if verdict != "NOT RUN"}
    if not known:
        return "not known yet"
    if known == {"PASS"}:
        return "yes"
    if known == {"FAIL"}:
        return "no"
    return "it depends" if known == {"PASS", "FAIL"} else "not decided"


def stand(cells: Sequence[Cell]) -> str:
    """`7 PASS, 1 FAIL`: how many cells have which verdict."""
    counts = [(sum(cell.verdict == word for cell in cells), word) for word in SYMBOLS]
    return ", ".join(f"{number} {word}" for number, word in counts if number)


def sure(columns: Sequence[Column]) -> str:
    """How often a verdict may be wrong, as the runs were judged."""
    alphas = sorted(
        {run.verdicts.alpha for column in columns for run in column.runs if run.verdicts.origin == "own"}
    )
    if not alphas:
        return ""
    return (
        f"In each suite the chance of any false PASS among its primary claims is at most {rate(alphas[-1])}, "
        "where the tests hold their level."
    )


def limiting(rows: Sequence[Row], hypothesis: Sequence[str]) -> Iterable[tuple[Row, tuple[Cell, ...]]]:
    """Claims that say of themselves that they qualify the hypothesis, with what was decided of them."""
    for row in rows:
        decided = tuple(cell for cell in row.there if cell.verdict != "NOT RUN")
        if row.claim and decided and set(row.claim.qualifies) & set(hypothesis):
            yield row, decided


def rests_on(columns: Sequence[Column], cells: Sequence[Cell]) -> Iterable[str]:
    """Which runs, and how many verdicts at which scale."""
    decided = [cell for cell in cells if cell.verdict != "NOT RUN"]
    scales = [(sum(cell.scale == scale for cell in decided), words) for scale, words in SCALES.items()]
    if decided:
        parts = [f"{n} {'at' if 'scale' in words else 'on'} {words}" for n, words in scales if n]
        yield f"{len(decided)} verdicts: {listed(parts)}."
    for column in columns:
        if column.run is None:
            continue
        own = [cell for cell in decided if cell.column is column]
        yield f"{column.name} ({column.title}): {claims(len(own))}; {column.facts}{replicates(own)}."


def replicates(cells: Sequence[Cell]) -> str:
    """How many replicates the verdicts of our own runs rest on."""
    numbers = sorted(
        {cell.result.replicates for cell in cells if cell.result and cell.scale in ("reduced", "paper")}
    )
    if not numbers:
        return ""
    return f"; {numbers[0]} replicates" if len(numbers) == 1 else f"; {numbers[0]} to {numbers[-1]} replicates"


def claims(number: int) -> str:
    """`one claim`, `12 claims`."""
    return "one claim" if number == 1 else f"{count(number)} claims"


def waiting(columns: Sequence[Column], cells: Sequence[Cell]) -> Iterable[Waiting]:
    """What is registered and was not run, suite by suite."""
    for column in columns:
        own = tuple(cell for cell in cells if cell.column is column and cell.verdict == "NOT RUN")
        if own:
            yield Waiting(column, own)
