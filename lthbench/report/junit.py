"""Verdicts as JUnit XML, so that any CI shows them: FAIL and INCONCLUSIVE fail, BLOCKED and NOT RUN are errors.

NOT DECIDABLE is skipped: nothing was tested, and it does not count as a pass. Properties hold the codes of
verdicts.json; what is read by people has the words of exploratory suites.
"""

import xml.etree.ElementTree as ET

from lthbench.judging.verdict import ORIGINS, ClaimVerdict, Verdicts, verdict_word
from lthbench.report.sentences import REDUCED, otherwise
from lthbench.words import plain

ELEMENTS = {
    "FAIL": "failure",
    "INCONCLUSIVE": "failure",
    "NOT DECIDABLE": "skipped",
    "BLOCKED": "error",
    "NOT RUN": "error",
}


def junit(verdicts: Verdicts) -> str:
    """The text of junit.xml: one suite, one case per claim, no times."""
    kinds = [ELEMENTS.get(claim.verdict) for claim in verdicts.claims]
    suite = ET.Element(
        "testsuite",
        name=plain(f"lthbench.{verdicts.suite}"),
        tests=str(len(kinds)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped=str(kinds.count("skipped")),
    )
    properties(
        suite,
        title=verdicts.title,
        master_seed=verdicts.master_seed,
        engine=verdicts.engine,
        alpha=verdicts.alpha,
        exit_code=verdicts.exit_code,
    )
    for claim in verdicts.claims:
        case(suite, verdicts.suite, claim, ORIGINS[verdicts.origin], verdicts.exploratory)
    ET.indent(suite, " ")
    return "<?xml version='1.0' encoding='utf-8'?>\n" + ET.tostring(suite, encoding="unicode") + "\n"


def case(
    suite: ET.Element, suite_id: str, claim: ClaimVerdict, origin: str = "", exploratory: bool = False
) -> None:
    """One claim as a test case."""
    word = verdict_word(claim.verdict, exploratory)
    qualities = ", ".join(filter(None, ("exploratory" * exploratory, origin)))
    name = plain(f"{claim.id}: {claim.registered_title}" + (f" ({qualities})" if qualities else ""))
    element = ET.SubElement(suite, "testcase", classname=plain(f"lthbench.{suite_id}"), name=name)
    properties(element, kind=claim.kind, verdict=claim.verdict, experiment=claim.experiment, n=claim.replicates)
    scale = f" {REDUCED}" if claim.reduced_scale else ""
    if claim.verdict in ELEMENTS:
        said = ET.SubElement(element, ELEMENTS[claim.verdict], type=word, message=plain(claim.why))
        said.text = plain(f"{claim.sentence} {claim.why} {otherwise(claim, suite_id, exploratory)}{scale}")
    else:
        ET.SubElement(element, "system-out").text = plain(f"{word}: {claim.why}{scale}")


def properties(parent: ET.Element, **values: object) -> None:
    """Named values of a suite or a case."""
    container = ET.SubElement(parent, "properties")
    for name, value in values.items():
        ET.SubElement(container, "property", name=name, value=plain(value))
