"""The section on how often verdicts would be wrong: of the registration that was simulated, and no other."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from lthbench.calibration import reading, store
from lthbench.claims.load import Registry, load
from lthbench.judging.verdict import Verdicts, from_json
from lthbench.report.content import gather
from lthbench.report.render import html, markdown
from lthbench.report.section import Material
from lthbench.report.sections import calibration

QUICK = Path(__file__).parents[2] / "reports/reference/quick/seed-0/verdicts.json"


def calibration_part(registry: Registry, verdicts: Verdicts) -> calibration.CalibrationPart | None:
    return calibration.calibration_part(Material(registry, verdicts, pd.DataFrame(), []))


@pytest.fixture(scope="module")
def loaded() -> Registry:
    return load()


@pytest.fixture(scope="module")
def quick() -> Verdicts:
    return from_json(QUICK.read_text())


def test_the_packaged_numbers_are_shown_for_their_registration(loaded, quick) -> None:
    part, found = calibration_part(loaded, quick), store.find(loaded, "quick")
    assert [row.claim for row in part.rows] == loaded.suites["quick"].claims
    together = reading.percent(found["worlds"][found["headline"]]["all_primaries_pass"])
    assert together in part.said[0]
    assert len(part.shortfalls) == len(reading.shortfalls(found))
    assert all(claim in part.picture.alt for claim in found["claims"])
    assert calibration_part(loaded, quick) == part


def test_one_claim_has_one_row(loaded, quick) -> None:
    one = replace(quick, claims=[claim for claim in quick.claims if claim.id == "ST-2"])
    assert [row.claim for row in calibration_part(loaded, one).rows] == ["ST-2"]


def test_another_registration_is_said_not_to_be_simulated(loaded, quick) -> None:
    suite = loaded.suites["quick"].model_copy(update={"alpha": 0.01})
    part = calibration_part(replace(loaded, suites=loaded.suites | {"quick": suite}), quick)
    assert not part.rows
    assert "not simulated" in part.said[0]


def test_results_of_others_have_no_such_section(loaded, quick) -> None:
    assert calibration_part(loaded, replace(quick, origin="published")) is None


@pytest.mark.parametrize("write", [html, markdown])
def test_reports_have_the_section(registry, verdicts, tidy, provenance, loaded, quick, write) -> None:
    content = gather(Material(registry, verdicts, tidy, provenance))
    without = write(content)
    assert "How often would this verdict be wrong" in without
    assert "was not simulated" in without
    simulated = [
        (section, calibration_part(loaded, quick) if section.anchor == "calibration" else part)
        for section, part in content.sections
    ]
    page = write(replace(content, sections=tuple(simulated)))
    assert "measured, resampled" in page
    assert "below the 98 %" in page or "at least 98 %" in page


def test_words_follow_the_numbers(loaded) -> None:
    found = store.find(loaded, "quick")
    world = found["headline"]
    better = found | {"worlds": found["worlds"] | {world: found["worlds"][world] | {"all_primaries_pass": 0.99}}}
    assert "at least 98 %" in reading.together(better)
    worse = found | {"worlds": found["worlds"] | {world: found["worlds"][world] | {"all_primaries_pass": 0.9}}}
    assert "below the 98 %" in reading.together(worse)
    assert not reading.exceeds(found, 0.052)  # within what 20,000 simulations can tell
    assert reading.exceeds(found, 0.06)


def test_a_clipped_registration_says_what_its_boundary_is_and_that_runs_collapse(loaded) -> None:
    clipped = store.find(loaded, "quick")
    plain = clipped | {"hypotheses": [{k: v for k, v in h.items() if k != "clip"} for h in clipped["hypotheses"]]}
    assert "clipped" not in " ".join(calibration.said(plain))
    words = " ".join(calibration.said(clipped))
    assert "the mean of the clipped d" in words
    assert "collapse to 40 SDs" in words
