"""Which known bug do the numbers of a failing run resemble? Honest: often none, sometimes several.

The numbers of a bug (its signature) were measured by `python -m tools.mutants`: the mean of every contrast of the
claims it was tried on. A run is compared with them line by line, in standard deviations of one replicate of the
sound source.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from lthbench.judging.verdict import Verdicts

NEAR = 1.0
"""Root mean square over the lines, in SDs of one replicate. Two means of 8 replicates differ by 0.5 SD by
chance alone, so a run of the same bug is nearer than this, and a run of another is rarely."""
APART = 2.0  # a signature that lies nearer to the sound numbers than this tells the bug from nothing

SUITE = "quick"  # signatures are those of its experiments
UNWELL = ("FAIL", "BLOCKED")
Means = Mapping[str, float]


@dataclass(frozen=True)
class Signature:
    """Means of a mutant's contrasts by `CLAIM LINE`, and mean and SD of the sound source's."""

    id: str
    says: str
    means: dict[str, float]
    sound: dict[str, tuple[float, float]]


@cache
def signatures() -> tuple[Signature, ...]:
    """The measured ones."""
    content = json.loads((Path(__file__).parent / "signatures.json").read_text(encoding="utf-8"))
    return tuple(
        Signature(entry["id"], entry["says"], entry["means"], {k: (v[0], v[1]) for k, v in entry["sound"].items()})
        for entry in content
    )


def distance(means: Means, other: Means, sds: Mapping[str, float]) -> float | None:
    """Root mean square difference over the lines both have, in SDs; None without a common line."""
    common = [line for line in means if line in other and sds.get(line, 0) > 0]
    if not common:
        return None
    return float(np.sqrt(np.mean([((means[line] - other[line]) / sds[line]) ** 2 for line in common])))


def resembles(means: Means, known: tuple[Signature, ...]) -> list[tuple[float, Signature]]:
    """The signatures that numbers are near to, nearest first. Those that look like no bug at all are left out.

    All lines of a signature must be there: one line in common would make everything resemble everything.
    """
    near = []
    for signature in known:
        sds = {line: sd for line, (_, sd) in signature.sound.items()}
        sound = {line: mean for line, (mean, _) in signature.sound.items()}
        apart = distance(signature.means, sound, sds)
        if apart is None or apart < APART or not signature.means.keys() <= means.keys():
            continue
        away = distance(means, signature.means, sds)
        if away is not None and away <= NEAR:
            near.append((away, signature))
    return sorted(near, key=lambda pair: pair[0])


def diagnose(means: Means, known: tuple[Signature, ...] | None = None) -> str:
    """One sentence about the numbers of a run."""
    near = resembles(means, signatures() if known is None else known)
    if not near:
        return "The numbers resemble no known bug's."
    words = [
        f"{signature.says} ({signature.id}; {away:.1f} SD away over {len(signature.means)})"
        for away, signature in near[:3]
    ]
    return f"The numbers are as if {'; or as if '.join(words)}."


def of(verdicts: Verdicts) -> str | None:
    """The diagnosis of a run with a claim that failed or is blocked; None where there is nothing to explain."""
    if verdicts.suite != SUITE or not any(claim.verdict in UNWELL for claim in verdicts.claims):
        return None
    lines = {f"{claim.id} {line.id}": line.evidence for claim in verdicts.claims for line in claim.hypotheses}
    means = {name: evidence.get("mean") for name, evidence in lines.items() if evidence}
    return diagnose({name: mean for name, mean in means.items() if mean is not None})
