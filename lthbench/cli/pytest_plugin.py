"""For pytest: a fixture `lthbench`, with which a repository checks claims in its own tests. Else it does nothing.

    def test_my_method_matches_dense(lthbench):
        lthbench.check_claim("FC-1", find)

Tests that use it take minutes; they are marked `lthbench`, so that `-m "not lthbench"` leaves them out.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lthbench.drive.answer import Claim

NAME = "lthbench"


@dataclass(frozen=True)
class Referee:
    """What a test is given. `folder` holds what was trained, by the code it came from: it is used again."""

    folder: Path
    properties: list[tuple[str, object]]  # of the test, for JUnit

    def check_claim(self, claim: str, method: str | Callable[..., Any], **more: Any) -> "Claim":
        """Fail the test unless the claim's verdict on a method is PASS; `more` is as for `lthbench.test`.

        A JUnit file gets the verdict and the mean difference as properties of the test.
        """
        import lthbench

        judged = lthbench.test(method, claims=[claim], **{"out": self.folder, "quiet": True, **more})[claim]
        self.properties.append(("lthbench_verdict", judged.verdict))
        if len(judged.differences):
            self.properties.append(("lthbench_mean", f"{judged.differences.mean():.6g}"))
        if judged.verdict != "PASS":
            pytest.fail(str(judged), pytrace=False)
        return judged


@pytest.fixture
def lthbench(request: pytest.FixtureRequest) -> Referee:
    """The referee of lottery-ticket claims: `lthbench.check_claim("FC-1", find)`."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")  # two at once need a folder each
    cache = request.config.cache
    folder = cache.mkdir(f"{NAME}{worker}") if cache is not None else request.getfixturevalue("tmp_path")
    return Referee(folder, request.node.user_properties)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", f"{NAME}: trains networks to check a claim; takes minutes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the fixture."""
    for item in items:
        if NAME in getattr(item, "fixturenames", ()):
            item.add_marker(NAME)
