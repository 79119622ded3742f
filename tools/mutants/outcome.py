"""What gates and verdicts say of a source tree. Run inside a (mutated) copy: `python -m tools.mutants.outcome`.

Reads a request, a JSON object, from standard input; writes its answer to the file that the request names.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lthbench.claims.load import Registry, load
from lthbench.judging.judge import judge
from lthbench.judging.verdict import ClaimVerdict
from lthbench.plan.suite import Chunk, plan_suite
from lthbench.results.tidy import collect, read
from tools.mutants.reduced import reduced

Outcome = dict[str, Any]


def outcome(
    registry: Registry, suite: str, claims: list[str], replicates: int | None, master: int, root: Path, table: str
) -> Outcome:
    """Gates, verdicts and contrasts of some claims; from a stored table, or trained below `root`."""
    started = time.perf_counter()
    small = reduced(registry, suite, replicates)
    try:
        chunks = plan_suite(small, suite, master, claims)
        tidy = only(read(Path(table)), chunks) if table else trained(chunks, root)
        verdicts = judge(small, suite, master, tidy, claims)
    except Exception as error:  # a fault that stops the line is noticed: by whom is the answer
        text = f"{type(error).__name__}: {error}".splitlines()[0].replace(f"{Path.cwd()}/", "")
        return {"stopped": text, "claims": {}}
    seconds = time.perf_counter() - started
    return {"stopped": None, "claims": {c.id: summary(c) for c in verdicts.claims}, "seconds": seconds}


def only(tidy: pd.DataFrame, chunks: Sequence[Chunk]) -> pd.DataFrame:
    """The rows that training these chunks would give: other claims then stand as not run, in both."""
    planned = {(unit.experiment.id, unit.arm, unit.level) for chunk in chunks for unit in chunk.units}
    return tidy[pd.MultiIndex.from_frame(tidy[["experiment", "arm", "level"]]).isin(planned)]


def trained(chunks: Sequence[Chunk], root: Path) -> pd.DataFrame:
    """The tidy table of what the claims need, trained here."""
    from lthbench.data.cache import cache_root
    from lthbench.drive.execute import run_chunk

    for chunk in chunks:
        run_chunk(chunk.units, root, cache_root(), "cpu", lambda unit, how: None)
    return collect(root, [unit for chunk in chunks for unit in chunk.units])[0]


def summary(claim: ClaimVerdict) -> Outcome:
    """One claim in short: verdict, gates that failed, and the numbers its hypotheses rest on."""
    lines = {
        line.id: {"decision": line.decision, **{k: (line.evidence or {}).get(k) for k in ("mean", "sd", "n")}}
        for line in claim.hypotheses
    }
    failed = [gate.name for gate in claim.gates if not gate.passed]
    return {"verdict": claim.verdict, "gates": failed, "lines": lines}


def main() -> None:
    """Answer one request."""
    import torch

    torch.set_num_threads(1)
    request = json.load(sys.stdin)
    answer = Path(request.pop("answer"))
    request["root"] = Path(request["root"])
    answer.write_text(json.dumps(outcome(load(), **request)))


if __name__ == "__main__":
    main()
