"""What Python calls give back: the verdicts of a run, to look up, to plot, to show in a notebook."""

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lthbench.errors import UserError
from lthbench.judging.verdict import ORIGINS, SYMBOLS, ClaimVerdict, Verdicts, verdict_word
from lthbench.report.numbers import deciding
from lthbench.report.section import Material
from lthbench.report.write import write_report
from lthbench.words import as_registered, choices, plain

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("claim", "kind", "verdict", "mean [95 % interval]", "n", "what it says at this scale")
NUMBERS = ("n", "mean", "low", "high", "sd", "p_pass", "p_fail")


@dataclass(frozen=True)
class Claim:
    """The verdict on one claim. `details` is everything it rests on, as verdicts.json has it.

    Of an `exploratory` suite, PASS and FAIL are printed as SUPPORTED HERE and NOT SUPPORTED HERE.
    """

    details: ClaimVerdict
    exploratory: bool = False

    @property
    def id(self) -> str:
        """For example `FC-1`."""
        return self.details.id

    @property
    def verdict(self) -> str:
        """PASS, FAIL, INCONCLUSIVE, NOT DECIDABLE, BLOCKED or NOT RUN."""
        return self.details.verdict

    @property
    def why(self) -> str:
        """The reasons in words."""
        return plain(self.details.why)

    @property
    def differences(self) -> np.ndarray:
        """d of the hypothesis that decided, one per replicate, in its unit; empty for unpaired results."""
        return self.differences_of(self.details.deciding.id)

    def differences_of(self, hypothesis: str) -> np.ndarray:
        """d of a hypothesis or of a line beside the verdict, one per replicate. UserError for no such id."""
        lines = {line.id: line for line in [*self.details.hypotheses, *self.details.beside]}
        if hypothesis not in lines:
            raise UserError(f"{self.id} has no hypothesis '{hypothesis}'; {choices(hypothesis, lines)}")
        return np.array(lines[hypothesis].d, dtype=float)

    def cells(self) -> tuple[str, ...]:
        """The claim in a table."""
        evidence = self.details.deciding.evidence
        n = str(int(evidence["n"])) if evidence and evidence["n"] is not None else "–"
        numbers = deciding(self.details, unit=True)
        word = f"{SYMBOLS[self.verdict]} {verdict_word(self.verdict, self.exploratory)}"
        return tuple(map(plain, (self.id, self.details.kind, word, numbers, n, self.details.registered_title)))

    def __str__(self) -> str:
        return "\n".join(["  ".join(self.cells()), self.why])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"{html_table(COLUMNS, [self.cells()])}<p>{html.escape(self.why)}</p>"


@dataclass(frozen=True, repr=False)
class Answer:
    """The verdicts on all claims that were judged: iterate, or look one up by its id, `answer["FC-1"]`.

    `verdicts` is the content of verdicts.json, `notes` what `lthbench check` says before its table. `exit_code` is
    that of the command: 0 pass, 1 fail, 3 inconclusive, 4 blocked.
    """

    verdicts: Verdicts
    material: Callable[[], Material] = field(compare=False)
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Of the primary claims together."""
        return self.verdicts.exit_code

    def __iter__(self) -> Iterator[Claim]:
        return (Claim(claim, self.verdicts.exploratory) for claim in self.verdicts.claims)

    def __len__(self) -> int:
        return len(self.verdicts.claims)

    def __contains__(self, claim: object) -> bool:
        return isinstance(claim, str) and as_registered(claim, self.ids) in self.ids

    def __getitem__(self, claim: str) -> Claim:
        name = as_registered(claim, self.ids)
        if name not in self.ids:
            raise UserError(f"no claim '{claim}'; {choices(claim, self.ids)}")
        return next(judged for judged in self if judged.id == name)

    @property
    def ids(self) -> list[str]:
        """The ids of the claims, in the order of the suite."""
        return [claim.id for claim in self.verdicts.claims]

    @property
    def heading(self) -> str:
        """Which suite, and whose results."""
        origin = ORIGINS[self.verdicts.origin]
        of = f"verdicts {origin}, no replication of ours" if origin else f"master seed {self.verdicts.master_seed}"
        return plain(f"{self.verdicts.title} ({of})")

    def to_pandas(self) -> "pd.DataFrame":
        """A row per hypothesis, and per line beside the verdict, where `decides` is False."""
        import pandas as pd

        return pd.DataFrame([row for claim in self.verdicts.claims for row in rows(claim)])

    def report(self, folder: str | Path) -> Path:
        """Write the report (index.html, report.md, verdicts.json, junit.xml, figures) and return its page."""
        from lthbench.drive.mendable import mendable

        with mendable():
            made_from = self.material()
        provenance = list(made_from.provenance)
        write_report(
            Path(folder),
            made_from.registry,
            self.verdicts,
            made_from.tidy,
            provenance,
            made_from.footprint,
            made_from.inputs,
        )
        return Path(folder) / "index.html"

    def __str__(self) -> str:
        cells = [COLUMNS, *(claim.cells() for claim in self)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
        return "\n".join([self.heading, *self.notes, *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{html.escape(plain(note))}</p>" for note in self.notes)
        table = html_table(COLUMNS, [claim.cells() for claim in self])
        return f"<p><b>{html.escape(self.heading)}</b></p>{notes}{table}"


def rows(claim: ClaimVerdict) -> Iterator[dict[str, Any]]:
    """The lines of a claim as rows of a table."""
    for line in [*claim.hypotheses, *claim.beside]:
        evidence = line.evidence or {}
        yield {
            "claim": claim.id,
            "kind": claim.kind,
            "verdict": claim.verdict,
            "hypothesis": line.id,
            "decides": line in claim.hypotheses,
            "decision": line.decision,
            "contrast": line.contrast,
            "endpoint": line.endpoint,
            "test": line.test,
            "delta": line.delta,
            "unit": line.unit,
            **{name: evidence.get(name) for name in NUMBERS},
        }


def html_table(headings: tuple[str, ...], cells: list[tuple[str, ...]]) -> str:
    """A plain table; every cell is escaped."""

    def row(tag: str, texts: tuple[str, ...]) -> str:
        inside = "".join(f'<{tag} style="text-align:left">{html.escape(text)}</{tag}>' for text in texts)
        return f"<tr>{inside}</tr>"

    body = "".join(row("td", texts) for texts in cells)
    return f"<table><thead>{row('th', headings)}</thead><tbody>{body}</tbody></table>"
