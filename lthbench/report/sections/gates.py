"""The section "Gates": what must hold before a number counts, each once, with the claims that rest on it."""

from dataclasses import dataclass

from lthbench.judging.verdict import Verdicts
from lthbench.report.section import Material, Part


@dataclass(frozen=True)
class Gate:
    """One gate, as printed."""

    name: str
    passed: bool
    detail: str
    claims: tuple[str, ...]


@dataclass(frozen=True)
class GatesPart(Part):
    """The whole section, failed gates first."""

    gates: list[Gate]

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(not gate.passed for gate in self.gates)


def gates_part(material: Material) -> GatesPart | None:
    """The section; None where no gate was looked at."""
    gates = gates_of(material.verdicts)
    return GatesPart(sorted(gates, key=lambda gate: gate.passed)) if gates else None


def gates_of(verdicts: Verdicts) -> list[Gate]:
    """Every gate once, in the order met."""
    claims: dict[tuple[str, bool, str], list[str]] = {}
    for claim in verdicts.claims:
        for gate in claim.gates:
            claims.setdefault((gate.name, gate.passed, gate.detail), []).append(claim.id)
    return [Gate(*gate, tuple(ids)) for gate, ids in claims.items()]
