"""`lthbench explain CLAIM`: the sentence, how a suite decides it, the numbers behind its verdict, as plain text.

Nothing is computed here: the rule comes from the claim file, the numbers from a verdicts.json.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import wrap

from lthbench.claims.load import Registry, cells
from lthbench.claims.schema import (
    EARLY_STOP,
    Claim,
    Hypothesis,
    Line,
    Registration,
    Suite,
    endpoint_words,
    margin_words,
    threshold,
)
from lthbench.errors import UserError
from lthbench.judging.verdict import ORIGINS, ClaimVerdict, LineResult, Verdicts, verdict_word
from lthbench.judging.words import clip_words, collapse_words, level_interval, sizes
from lthbench.recipe.arms import ARMS
from lthbench.recipe.variants import SAYS, variant_of
from lthbench.report import numbers, sentences
from lthbench.words import choices, plain

WIDTH = 100
GATES = (
    "masks and weight counts are those of the recipe and differ between arms exactly where they should",
    "no run diverged, no trained arm is at chance",
    "replicates of one contrast come from one kind of device",
)
BAND_GATE = "dense accuracy lies in its registered band"
STOP_GATE = "no early stop is censored by the end of training"
THRESHOLD_GATE = "every run reaches the validation accuracy asked for"
GIVEN_GATES = "what the results hold of these: no run diverged, no arm at chance, the band, masks and counts"


def suite_of(registry: Registry, claim: str, asked: str | None, was_run: Callable[[str], bool]) -> str:
    """The suite whose rule is explained: the one asked for, else one that was run, else `quick` before others."""
    if claim not in registry.claims:
        raise UserError(f"no claim '{claim}'; {choices(claim, registry.claims)}")
    deciding = [name for name, suite in registry.suites.items() if claim in suite.claims]
    if asked is None and deciding:
        return min(deciding, key=lambda name: (not was_run(name), name != "quick"))
    if asked not in deciding:
        known = f"it is decided by {', '.join(deciding)}" if deciding else "no suite lists it"
        raise UserError(f"suite '{asked}' does not decide {claim}; {known}" if asked else f"{claim}: {known}")
    return asked


def last_run(out: Path, suite: str, seed: int, claim: str) -> Path | None:
    """The stored verdicts of a suite: of the whole suite, else of this claim alone."""
    folder = out / "results" / suite / f"seed-{seed}" / "scopes"
    files = (folder / scope / "verdicts.json" for scope in ("all", claim))
    return next((file for file in files if file.is_file()), None)


def way_to_a_run(registry: Registry, suite: str, claim: str, seed: int = 0, out: Path = Path(".")) -> str:
    """The command that makes the numbers."""
    trains = registry.suites[suite].trains
    train = f"lthbench run {suite}" + (f" --claim {claim}" + f" --seed {seed}" * bool(seed) if trains else "")
    train += f" --out {out}" * (out != Path("."))
    return f"no run of suite {suite} is stored in --out; one comes from `{train}`, or name one with --run FOLDER"


def explain(registry: Registry, claim_id: str, suite_id: str, verdicts: Verdicts | None, source: str) -> str:
    """The whole text; `source` says where the verdicts are, or how to get some."""
    suite = registry.suites[suite_id]
    claim, registration = {c.id: (c, r) for c, r in registry.registrations(suite_id)}[claim_id]
    verdict = next((v for v in verdicts.claims if v.id == claim_id), None) if verdicts else None
    parts = [
        claim_part(claim),
        rule_part(registry, claim, suite, registration),
        verdict_part(verdict, verdicts, source) if verdict and verdicts else missing_part(claim_id, source),
        elsewhere(registry, claim_id, suite_id),
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def claim_part(claim: Claim) -> Iterator[str]:
    """What is claimed, by whom, and what speaks against it."""
    yield from text(f"{claim.id} ({claim.kind}): {claim.title}", "", "  ")
    yield ""
    yield from text(claim.sentence)
    for source in claim.sources:
        verified = sentences.VERIFIED[source.verified]
        quote = f": “{source.quote}”" if source.quote else ""
        says = f"; in our words: {source.says}" if source.says else ""
        yield from text(f"{source.paper}, {source.where} ({verified}){quote}{says}", "- source: ")
    yield from listing(claim.conditions, "- holds under: ")
    yield from listing(claim.contradictions, "- against it: ")


def rule_part(registry: Registry, claim: Claim, suite: Suite, registration: Registration) -> Iterator[str]:
    """How the suite decides it."""
    yield f"HOW SUITE {suite.id} DECIDES IT"
    yield from text(registration.title)
    if suite.trains:
        yield from trained_words(registration, suite)
        yield from listing(variants_of(registry, registration), "- variant ")
    else:
        yield from text("Results that others released are judged; nothing is trained, n is theirs.")
    for hypothesis in registration.hypotheses:
        yield from hypothesis_words(hypothesis, registration, suite)
    yield from text(level_words(registry, claim, suite), "- level: ")
    yield from text(gate_words(registration, suite), "- gates (one that fails blocks the verdict): ")
    if not suite.trains:
        yield from text(registration.by_hand, "- the same by hand: ")
        yield from listing(registration.caveats, "- caveat: ")
    yield from listing(registration.not_tested, "- not tested: ")


def trained_words(registration: Registration, suite: Suite) -> Iterator[str]:
    """Scale, n and power."""
    if registration.reduced_scale:
        yield from text(sentences.REDUCED)
    planned = f"planned from {registration.planned_from}"
    power = "" if registration.power is None else f", power {registration.power:.3g} for all hypotheses together"
    look = suite.first_look
    first = f"first look at {look.replicates}, where that is inconclusive " if look else ""
    yield from text(f"{first}{registration.replicates} paired replicates, {planned}{power}", "- n: ")


def variants_of(registry: Registry, registration: Registration) -> list[str]:
    """The variants among the experiments compared, and what they change."""
    used = dict.fromkeys(cell.experiment for cell in cells(registration))
    variants = dict.fromkeys(variant_of(registry.experiments[name].training) for name in used)
    return [f"{name}: {SAYS[name]}" for name in variants if name]


def hypothesis_words(line: Line, registration: Registration, suite: Suite) -> Iterator[str]:
    """One hypothesis: contrast, test, margin and what was expected."""
    yield from text(line.says, f"- {line.id}: ")
    yield from text(
        f"d = {line.contrast} ({endpoint_words(line.endpoint)}, {line.unit})".replace(" - ", " − "), "    "
    )
    for cell in dict.fromkeys(line.contrast.cells(registration.experiment)):
        yield from text(f"{cell}: {arm_words(cell.experiment, cell.arm, suite)}", "    ")
    yield from text(
        f"{line.test}: {sentences.test_words(line.test, suite.exploratory)}; "
        f"δ = {numbers.short(line.delta)} {line.unit}{clip(line.clip)}",
        "    ",
    )
    if isinstance(line, Hypothesis):
        yield from text(f"margin from: {margin_words(line.margin_from, line.margin_rule)}", "    ")
    if isinstance(line, Hypothesis) and line.expected is not None:
        e = line.expected
        origin = f" ({e.planned_from}; {e.verified})" if e.planned_from else ""
        yield from text(f"planned effect {numbers.signed(e.effect)}, SD {numbers.fixed(e.sd)}{origin}", "    ")


def clip(deltas: float | None) -> str:
    """How much one replicate may count."""
    return f"; each replicate counts at most ±{numbers.short(deltas)} δ" if deltas is not None else ""


def arm_words(experiment: str, arm: str, suite: Suite) -> str:
    """An arm in words."""
    return ARMS[arm].says if suite.trains else suite.experiments[experiment].arms[arm]


def level_words(registry: Registry, claim: Claim, suite: Suite) -> str:
    """The level, and what it is a share of."""
    if claim.kind != "primary":
        return f"{sentences.at_level(suite, 1)}: {claim.kind} claims are not corrected for their number"
    primaries = registry.primaries(suite.id)
    passes, fails = (verdict_word(verdict, suite.exploratory) for verdict in ("PASS", "FAIL"))
    return (
        f"{sentences.at_level(suite, len(primaries))}: {numbers.rate(suite.alpha)} shared equally by the "
        f"{len(primaries)} primary claims ({', '.join(primaries)}), whatever the others come to. "
        f"For {passes} every hypothesis has to reach it, for {fails} one its share of it"
    )


def gate_words(registration: Registration, suite: Suite) -> str:
    """What is looked at before any number counts."""
    if not suite.trains:
        return GIVEN_GATES
    stops = any(line.endpoint in EARLY_STOP for line in registration.hypotheses)
    waits = any(threshold(line.endpoint) for line in registration.hypotheses)
    return "; ".join(
        [*GATES, *[BAND_GATE] * bool(suite.dense_bands), *[STOP_GATE] * stops, *[THRESHOLD_GATE] * waits]
    )


def verdict_part(claim: ClaimVerdict, verdicts: Verdicts, source: str) -> Iterator[str]:
    """The verdict, why, what would have changed it, and every number."""
    origin, exploratory = ORIGINS[verdicts.origin], verdicts.exploratory
    word = verdict_word(claim.verdict, exploratory)
    yield f"VERDICT {word}" + (f" {origin}" if origin else f" (master seed {verdicts.master_seed})")
    yield from text(source)
    yield from text(sentences.exploratory_words(verdicts.registered) if exploratory else "")
    yield from text(f"{word}: {sentences.MEANINGS[claim.verdict]}.")
    for reason in sentences.reasons(claim):
        yield from text(reason, "- why: ")
    yield from listing(collapse_words(claim.collapses, claim.experiment), "- ")
    yield from text(sentences.otherwise(claim, verdicts.suite, exploratory), "- otherwise: ")
    for line in claim.hypotheses:
        yield from line_words(line, f"- {line.id}: ", exploratory)
    for line in claim.beside:
        yield from line_words(line, f"- beside the verdict, {line.id} ({line.says}): ", exploratory)
    for gate in claim.gates:
        passed = "passed" if gate.passed else "FAILED"
        yield from text(f"{gate.name}: {gate.detail}", f"- gate {passed}: ")
    yield from listing(claim.magnitude, "- size: ")


def line_words(line: LineResult, first: str, exploratory: bool = False) -> Iterator[str]:
    """The numbers of one line."""
    e = line.evidence
    if e is None:
        yield from text(f"no test: {line.undecidable or 'a number is missing'}", first)
        return
    decision, passes, fails = (verdict_word(word, exploratory) for word in (line.decision, "PASS", "FAIL"))
    yield from text(
        f"{decision}; mean {numbers.interval(e)} {line.unit} (95 % interval; at the level that decides, "
        f"{level_interval(line)}), SD {numbers.fixed(e['sd'])}, n = {sizes(line)}{clip_words(line)}; "
        f"{passes} asks for {sentences.required(line)}: p = {numbers.p_value(e['p_pass'])} against "
        f"{numbers.level(line.pass_level)}; {fails} asks for {sentences.opposite(line)}: "
        f"p = {numbers.p_value(e['p_fail'])} against {numbers.level(line.fail_level)}",
        first,
    )
    if line.d:
        yield from text("d by replicate: " + " ".join(map(numbers.signed, line.d)), "    ")
    if line.how:
        yield from text(line.how, "    ")


def missing_part(claim: str, source: str) -> Iterator[str]:
    """What to do where no verdict is stored."""
    yield "VERDICT: none stored"
    yield from text(source)


def elsewhere(registry: Registry, claim: str, suite: str) -> Iterator[str]:
    """Other suites that decide the same claim."""
    others = [name for name, s in registry.suites.items() if claim in s.claims and name != suite]
    for name in others:
        yield f"Also decided by suite {name}: lthbench explain {claim} --suite {name}"


def listing(items: Sequence[str], first: str) -> Iterator[str]:
    """One entry per item."""
    for item in items:
        yield from text(item, first)


def text(words: str, first: str = "", rest: str | None = None) -> list[str]:
    """Words as lines of bounded width, the later ones indented; no control characters."""
    lead = first[: len(first) - len(first.lstrip())]
    indent = rest if rest is not None else lead + "  " * first.startswith("- ")
    whole = plain(first[len(lead) :] + words)
    return wrap(whole, WIDTH, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False)
