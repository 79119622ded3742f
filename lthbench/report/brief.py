"""`lthbench show CLAIM`: a claim, how it is decided and what came out, in about ten lines."""

from collections.abc import Iterator

from lthbench.claims.load import Registry
from lthbench.claims.schema import Source, endpoint_words
from lthbench.judging.verdict import ORIGINS, ClaimVerdict, Verdicts, verdict_word
from lthbench.report import numbers, sentences
from lthbench.report.explain import text


def brief(registry: Registry, claim_id: str, suite_id: str, verdicts: Verdicts | None, source: str) -> str:
    """The text; `source` says where the verdicts are, or how to get some."""
    suite = registry.suites[suite_id]
    claim, registration = {c.id: (c, r) for c, r in registry.registrations(suite_id)}[claim_id]
    verdict = next((v for v in verdicts.claims if v.id == claim_id), None) if verdicts else None
    main = registration.hypotheses[0]
    more = len(registration.hypotheses) - 1
    head = [f"{claim.id} ({claim.kind}): {claim.title}", claim.sentence, sourced(claim.sources[0])]
    others = [name for name, other in registry.suites.items() if claim_id in other.claims and name != suite_id]
    lines = [
        *(line for words in head for line in text(words, "", "  ")[:2]),
        f"suite {suite.id}: {main.contrast} ({endpoint_words(main.endpoint)}), {main.test}, margin "
        f"{numbers.short(main.delta)} {main.unit}, n = {registration.replicates or 'theirs'}"
        + f" (and {more} more)"
        * bool(more),
        *(said(verdict, verdicts) if verdict and verdicts else text(f"no verdict: {source}", "", "  ")),
        f"in full: lthbench explain {claim.id} --suite {suite.id}"
        + f"; other suites: {', '.join(others)}" * bool(others),
    ]
    return "\n".join(lines) + "\n"


def sourced(source: Source) -> str:
    """Where the sentence is from."""
    return f"from {source.paper}, {source.where} ({sentences.VERIFIED[source.verified]})"


def said(claim: ClaimVerdict, verdicts: Verdicts) -> Iterator[str]:
    """The verdict, its number and why."""
    of = ORIGINS[verdicts.origin] or f"master seed {verdicts.master_seed}"
    word = verdict_word(claim.verdict, verdicts.exploratory)
    yield f"{word} ({of}): {numbers.deciding(claim, unit=True)}"
    yield from text(claim.why, "  ")[:2]
