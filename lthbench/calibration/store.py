"""Where calibrations lie, and for which registration each is good."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lthbench.claims.load import Registry

ROOT = Path(__file__).parents[2]
PACKAGE = Path(__file__).parents[1]


def registration_key(registry: Registry, suite: str) -> str:
    """A hash of everything a simulation depends on, and of no words: rules, contrasts, n, kinds, alpha, order."""
    claims = [
        [claim.id, claim.kind, registration.replicates, registration.experiment]
        + [
            [h.id, h.endpoint, str(h.contrast), h.test, h.delta]
            + ([h.clip] if h.clip else [])
            + ([h.expected.effect, h.expected.sd] if h.expected else [])
            for h in registration.hypotheses
        ]
        for claim, registration in registry.registrations(suite)
    ]
    look = registry.suites[suite].first_look
    looks = [[look.replicates, look.alpha]] if look else []
    text = json.dumps([suite, registry.suites[suite].alpha, claims, *looks])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def to_json(calibration: dict[str, Any]) -> str:
    """The text of calibration.json: small and readable, because what holds only numbers stays on one line."""
    return _text(calibration, "\n") + "\n"


def _text(value: Any, newline: str) -> str:
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if not any(isinstance(v, dict | list) for v in inside):
        return json.dumps(value)
    deeper = newline + " "
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{deeper}{json.dumps(k)}: {_text(v, deeper)}" for k, v in value.items())
            + newline
            + "}"
        )
    return "[" + ",".join(deeper + _text(v, deeper) for v in value) + newline + "]"


def committed(suite: str) -> Path:
    """Where the calibration of a suite ships: in the checkout, else inside the installed package."""
    if (ROOT / "pyproject.toml").is_file():
        return ROOT / "reports" / "reference" / suite / "calibration.json"
    return PACKAGE / "_bundled" / "calibration" / f"{suite}.json"


def reference_tables(suite: str) -> list[Path]:
    """The committed confirmatory tables of a suite; an installed package has none."""
    return sorted((ROOT / "reports" / "reference" / suite).glob("seed-*/tidy.csv.gz"))


def find(registry: Registry, suite: str) -> dict[str, Any] | None:
    """The calibration of exactly this registration, or None."""
    path = committed(suite)
    if not path.is_file():
        return None
    calibration = json.loads(path.read_text(encoding="utf-8"))
    return calibration if calibration["registration"] == registration_key(registry, suite) else None
