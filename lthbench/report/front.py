"""The first screen: what came out, what failed or is open, how sure that is, at what scale, from where."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lthbench.claims.schema import Suite
from lthbench.judging.verdict import SYMBOLS, ClaimVerdict, Verdicts, verdict_word
from lthbench.report import sentences
from lthbench.report.figures.style import slug
from lthbench.report.numbers import count, interval, rate, short, span
from lthbench.report.section import Material
from lthbench.report.sections.provenance import distinct

ORDER = ("FAIL", "BLOCKED", "INCONCLUSIVE", "NOT DECIDABLE", "NOT RUN", "PASS")  # worst first
VERBS = {
    "PASS": ("passes", "pass"),
    "FAIL": ("fails", "fail"),
    "INCONCLUSIVE": ("is not decided", "are not decided"),
    "NOT DECIDABLE": ("cannot be decided from these data", "cannot be decided from these data"),
    "BLOCKED": ("is blocked by a failed check", "are blocked by a failed check"),
    "NOT RUN": ("was not run in full", "were not run in full"),
}
EXPLORATORY_VERBS = {
    "PASS": ("is supported here", "are supported here"),
    "FAIL": ("is not supported here", "are not supported here"),
}
STANDS = {  # what a title is worth: a title says what was claimed, whatever came out
    "PASS": "Shown",
    "FAIL": "Refuted",
    "INCONCLUSIVE": "Not decided",
    "NOT DECIDABLE": "Not decidable",
    "BLOCKED": "Blocked",
    "NOT RUN": "Not run",
}
EXPLORATORY_STANDS = {"PASS": "Supported here", "FAIL": "Not supported here"}
TITLE, AUTHOR = "lthbench: the referee of the lottery ticket hypothesis", "The lthbench authors"  # CITATION.cff
FILES = {  # what may lie beside the page
    "tidy.csv.gz": "every measurement",
    "verdicts.json": "the verdicts as data",
    "provenance.json": "who measured what, when and where",
    "figures/forest.csv": "the numbers of the table",
    "junit.xml": "for CI",
    "report.md": "this report as Markdown",
}
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")  # between two of them
NAMED = 5  # claims that pass, in the answer
SCALE = 2  # sentences of a suite that say its scale; all of them are under "How to read it"
DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Open:
    """A claim that did not pass, for the list of what failed or is open."""

    verdict: ClaimVerdict
    anchor: str
    stands: str
    number: str  # of its deciding hypothesis


@dataclass(frozen=True)
class Front:
    """The first screen, as printed."""

    answer: str
    open: tuple[Open, ...]
    not_run: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    sure: str
    scale: str
    facts: tuple[tuple[str, str], ...]
    cite: str
    files: dict[str, str]


def front(material: Material) -> Front:
    """Everything on the first screen but the table."""
    verdicts = material.verdicts
    suite = material.registry.suites[verdicts.suite]
    words: list[str] = [claim.verdict for claim in verdicts.claims]
    return Front(
        answer=answer(verdicts),
        open=tuple(
            Open(claim, slug(claim.id), stands(claim.verdict, verdicts.exploratory), open_number(claim))
            for word in ORDER[:4]
            for claim in verdicts.claims
            if claim.verdict == word
        ),
        not_run=tuple(claim.id for claim in verdicts.claims if claim.verdict == "NOT RUN"),
        counts=tuple((word, words.count(word)) for word in SYMBOLS if words.count(word) or word in SYMBOLS_SHOWN),
        sure=sure(suite, verdicts, len(material.registry.primaries(suite.id))),
        scale=scale(suite, verdicts),
        facts=facts(material),
        cite=cite(material),
        files=FILES
        if material.verdicts.origin != "given"
        else {k: v for k, v in FILES.items() if "tidy" not in k},
    )


def open_number(claim: ClaimVerdict) -> str:
    """`−0.18 [−0.28, −0.09] pp, margin 0.15`: how far it is from what was asked for; empty without a number."""
    line = claim.deciding
    if line.evidence is None:
        return ""
    return f"{interval(line.evidence)} {line.unit}, margin {short(line.delta)}"


SYMBOLS_SHOWN = ("PASS", "FAIL", "INCONCLUSIVE")  # counted even where there is none


def stands(verdict: str, exploratory: bool = False) -> str:
    """What became of a title, in words that stand before it."""
    return (EXPLORATORY_STANDS if exploratory else {}).get(verdict, STANDS[verdict])


def answer(verdicts: Verdicts) -> str:
    """How all claims stand, in one sentence for the primary ones and one for the others."""
    primary = [claim for claim in verdicts.claims if claim.kind == "primary"]
    others = [claim for claim in verdicts.claims if claim.kind != "primary"]
    said = []
    if primary:
        said.append(group_words(primary, "primary claim", verdicts.exploratory))
    if others:
        said.append(group_words(others, "other claim" if primary else "claim", verdicts.exploratory))
    return " ".join(said) or "No claim was judged."


def group_words(claims: Sequence[ClaimVerdict], name: str, exploratory: bool) -> str:
    """`Of four primary claims, one fails (FC-1) and three pass.`"""
    groups = {word: [claim.id for claim in claims if claim.verdict == word] for word in ORDER}
    there = {word: ids for word, ids in groups.items() if ids}
    if len(there) == 1:
        word = next(iter(there))
        number = len(claims)
        who = {1: f"The {name}", 2: f"Both {name}s"}.get(number, f"All {count(number)} {name}s")
        return f"{who} {verb(word, number, exploratory)}."
    parts = [
        f"{count(len(ids))} {verb(word, len(ids), exploratory)}"
        + f" ({', '.join(ids)})" * (word != "NOT RUN" and (word != "PASS" or len(ids) <= NAMED))
        for word, ids in there.items()
    ]
    return f"Of {count(len(claims))} {name}s, {', '.join(parts[:-1])} and {parts[-1]}."


def verb(verdict: str, number: int, exploratory: bool) -> str:
    """`passes` of one claim, `pass` of several."""
    verbs = VERBS | (EXPLORATORY_VERBS if exploratory else {})
    return verbs[verdict][number > 1]


def sure(suite: Suite, verdicts: Verdicts, primaries: int) -> str:
    """What bounds the errors of these verdicts, in short."""
    if suite.exploratory:
        return "Exploratory: no power was promised, and the words say what these replicates show here."
    ns = (
        span(claim.replicates for claim in verdicts.claims if claim.verdict != "NOT RUN")
        if judged(verdicts)
        else "–"
    )
    alpha = rate(suite.alpha)
    among = (
        f"of any false PASS among the {count(primaries)} primary claims" if primaries > 1 else "of a false PASS"
    )
    bound = (
        f"Where the tests hold their level, the chance {among} is at most {alpha}; every other claim has that "
        "chance alone."
    )
    if verdicts.origin == "published":
        return (
            f"Rules from the literature, written after the data were public. A few runs each, not paired. {bound}"
        )
    if verdicts.origin == "given":
        return f"Margins and tests are the registered ones; the runs are somebody else's, {ns} replicates. {bound}"
    return f"Margins, tests and n were registered before these runs: {ns} paired replicates. {bound}"


def judged(verdicts: Verdicts) -> list[ClaimVerdict]:
    """The claims that were run."""
    return [claim for claim in verdicts.claims if claim.verdict != "NOT RUN"]


def scale(suite: Suite, verdicts: Verdicts) -> str:
    """What was trained, in the suite's first two sentences, and what that stands for."""
    reduced = any(claim.reduced_scale for claim in verdicts.claims)
    return " ".join(SENTENCE.split(suite.says)[:SCALE]) + f" {sentences.REDUCED}" * reduced


def facts(material: Material) -> tuple[tuple[str, str], ...]:
    """Date, machine and code in one line; whose numbers they are, where they are not ours."""
    verdicts, provenance = material.verdicts, material.provenance
    code = [stated(provenance, "lthbench"), commits(provenance), stated(provenance, "engine")]
    trained = [days(provenance), *distinct(provenance, "device"), *code]
    rows = (
        (
            "Trained",
            ", ".join(filter(None, trained)) + f"; exit code {verdicts.exit_code}" if any(trained) else "",
        ),
        ("Source", "; ".join(sources(provenance))),
    )
    return tuple((label, text) for label, text in rows if text)


def commits(provenance: Sequence[dict[str, Any]]) -> str:
    """The commits of the code that trained; of a run in many slices, how many."""
    known = distinct(provenance, "commit")
    return f"{len(known)} commits (provenance.json)" if len(known) > 2 else stated(provenance, "commit")


def stated(provenance: Sequence[dict[str, Any]], key: str) -> str:
    """What the provenance says under a key, after the key; nothing where it says nothing."""
    values = distinct(provenance, key)
    return f"{key} {', '.join(values)}" if values else ""


def sources(provenance: Sequence[dict[str, Any]]) -> list[str]:
    """The files that results came from; where they are many, how many."""
    names = [str(entry["file"]) for entry in provenance if "file" in entry]
    return names if len(names) <= 2 else [f"{len(names)} released files"]


def days(provenance: Iterable[dict[str, Any]]) -> str:
    """The day the last result was finished; the first and the last where they differ."""
    known = sorted({match[0] for entry in provenance if (match := DAY.match(str(entry.get("finished", ""))))})
    return " to ".join(dict.fromkeys([*known[:1], *known[-1:]]))


def cite(material: Material) -> str:
    """A line to cite this report by."""
    verdicts, provenance = material.verdicts, material.provenance
    version, commit = ", ".join(distinct(provenance, "lthbench")), commits(provenance)
    parts = [
        f"{AUTHOR}: {TITLE}" + f", version {version}" * bool(version) + f", {commit}" * bool(commit),
        f"Suite {verdicts.suite}" + f", master seed {verdicts.master_seed}" * (verdicts.origin == "own")
        + f", trained {days(provenance)}" * bool(days(provenance)),
        "Cite the papers whose claims it tests, too",
    ]  # fmt: skip
    return ". ".join(parts) + "."


def title_words(claim: ClaimVerdict, exploratory: bool = False) -> str:
    """What was claimed at this scale, after what became of it."""
    return f"{stands(claim.verdict, exploratory)}: {claim.registered_title}"


def word(claim: ClaimVerdict, exploratory: bool = False) -> str:
    """A verdict with its symbol."""
    return f"{SYMBOLS[claim.verdict]} {verdict_word(claim.verdict, exploratory)}"
