"""A comparison of two runs as JUnit XML: one case per claim, which fails when its verdict changed."""

import xml.etree.ElementTree as ET

from lthbench.judging.diff import Change, Diff
from lthbench.report.junit import properties
from lthbench.report.numbers import deciding
from lthbench.words import plain


def diff_junit(diff: Diff) -> str:
    """The text of diff.xml."""
    name = plain(f"lthbench.{diff.after.suite}.diff")
    failures = sum(change.changed for change in diff.changes)
    suite = ET.Element("testsuite", name=name, tests=str(len(diff.changes)), failures=str(failures), errors="0")
    properties(suite, exit_code=diff.exit_code, circumstances="; ".join(diff.circumstances))
    for change in diff.changes:
        case(suite, name, change)
    ET.indent(suite, " ")
    return "<?xml version='1.0' encoding='utf-8'?>\n" + ET.tostring(suite, encoding="unicode") + "\n"


def case(suite: ET.Element, name: str, change: Change) -> None:
    """One claim."""
    title = plain(f"{change.claim.id}: {change.claim.registered_title}")
    element = ET.SubElement(suite, "testcase", classname=name, name=title)
    properties(
        element, kind=change.claim.kind, before=change.words[0], after=change.words[1], differs=change.differs
    )
    before, now = deciding(change.before), deciding(change.after)
    numbers = f"{change.says}; mean {before} before, {now} now. {change.claim.why}"
    if change.changed:
        failure = ET.SubElement(element, "failure", type="verdict changed", message=plain(change.says))
        failure.text = plain(numbers)
    else:
        ET.SubElement(element, "system-out").text = plain(numbers)
