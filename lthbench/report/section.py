"""What a section of the report is: a name, and a function from what was judged to what the section says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lthbench.claims.load import Registry
from lthbench.footprint.format import Footprint
from lthbench.judging.verdict import Verdicts
from lthbench.report.figures.style import Picture


@dataclass(frozen=True)
class Material:
    """What a report is written from: the verdicts, and the tidy table and provenance they rest on."""

    registry: Registry
    verdicts: Verdicts
    tidy: pd.DataFrame
    provenance: Sequence[dict[str, Any]]
    footprint: Footprint | None = None
    inputs: pd.DataFrame | None = None  # survivors per input, as lthbench.results.inputs counts them

    @property
    def own(self) -> bool:
        """Whether the results were trained here, by a registered suite."""
        return self.verdicts.origin == "own"


class Part:
    """What a section says, as printed; one with figures names them."""

    @property
    def pictures(self) -> Sequence[Picture]:
        """The figures of the section."""
        return ()


@dataclass(frozen=True)
class Section:
    """A section after the claims. `anchor` is its id in the page and the name of its template, `<anchor>.j2`."""

    anchor: str
    name: str  # in the list of sections at the head of the page
    build: Callable[[Material], Part | None]  # None: nothing to say about these results
