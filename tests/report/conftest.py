import numpy as np
import pandas as pd
import pytest
from report_sample import EXPERIMENT, TESTS, VERDICTS, N, claim, verdict

from lthbench.claims.load import Registry
from lthbench.claims.schema import Suite
from lthbench.judging.verdict import Verdicts


@pytest.fixture(scope="session")
def registry() -> Registry:
    claims = {i: claim(i, test) for i, test in zip(VERDICTS, TESTS, strict=True)}
    suite = Suite(
        id="mini",
        title="A mini suite",
        says="Five claims.",
        claims=list(claims),
        block=4,
        chance=10,
        dense_bands={},
    )
    return Registry(claims, {"mini": suite}, {"tiny": EXPERIMENT})


@pytest.fixture(scope="session")
def verdicts() -> Verdicts:
    claims = [verdict(i, claim_id, word) for i, (claim_id, word) in enumerate(VERDICTS.items())]
    return Verdicts("mini", "A mini suite", 0, "1+abc", 0.05, 1, claims)


@pytest.fixture(scope="session")
def tidy() -> pd.DataFrame:
    rows = []
    rng = np.random.default_rng(0)
    cells = {("dense", 0): 1.0, ("ticket", 1): 0.8, ("ticket", 2): 0.64, ("reinit", 2): 0.64, ("rewound", 2): 0.64}
    for (arm, level), density in cells.items():
        for replicate in range(N):
            for draw in range(2 if arm == "reinit" else 1):
                head = ("tiny", arm, level, density, replicate, draw)
                rows.append((*head, 100, "final_test_accuracy", 60 + rng.normal()))
                for iteration in (50, 100):
                    rows.append((*head, iteration, "validation_accuracy", 40 + iteration / 10 + rng.normal()))
    for replicate in range(N):
        for alpha in ("0", "0.5", "1"):
            value = 30.0 + 10 * (alpha == "0.5") + replicate
            rows.append(("tiny", "dense-copy", 0, 1.0, replicate, 0, None, f"line_error:{alpha}", value))
    columns = ["experiment", "arm", "level", "density", "replicate", "draw", "iteration", "metric", "value"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(iteration=table["iteration"].astype("Int64"))


@pytest.fixture(scope="session")
def provenance() -> list[dict]:
    entry = {
        "lthbench": "0.1.0", "engine": "1+abc", "torch": "2.6", "numpy": "2.0", "python": "3.11",
        "device": "CPU X",
        "threads": 1, "seconds": 1.5, "data_sha256": ["0123456789abcdef", "fedcba9876543210"], "finished": "now",
    }  # fmt: skip
    return [{"unit": f"tiny/b0-{arm}-0-abc", **entry} for arm in ("dense", "ticket")]
