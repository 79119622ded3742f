"""When a registration was frozen, and whether before the data: from frozen.json and a run's provenance."""

import calendar
import time
from collections.abc import Iterator, Sequence
from typing import Any

from lthbench.claims.frozen import SHOWN, Registered, utc
from lthbench.judging.words import freeze_words
from lthbench.report.explain import listing, text

NO_TIMES = "no times of trained units are stored, so nothing says whether they came after the freeze"
Span = tuple[str, str]  # when a unit began and ended, UTC


def frozen_part(registration: Registered | None, provenance: Sequence[dict[str, Any]]) -> str:
    """The end of `lthbench explain`; empty where the claim files have no record of freezes."""
    if registration is None:
        return ""
    return "\n" + "\n".join(frozen_lines(registration, spans(provenance))) + "\n"


def frozen_lines(registration: Registered, units: Sequence[Span]) -> Iterator[str]:
    """The freezes, oldest first, and the times of the data beside the last."""
    yield f"REGISTRATION {registration.hash[:SHOWN]}: {registration.status}"
    for freeze in registration.freezes:
        held = registration.claim in freeze.claims
        what = freeze.claims[registration.claim][:SHOWN] if held else "without this claim"
        known = f"git commit {freeze.commit}" if freeze.commit else "no git repository"
        why = f"; frozen again because: {freeze.why}" if freeze.why else ""
        yield from text(f"{freeze.at}, {what}, {known}{why}", "- frozen: ")
    yield from listing(freeze_words(registration), "- ")
    yield from text(before_data(registration, units), "- data: ")


def before_data(registration: Registered, units: Sequence[Span]) -> str:
    """Whether the last freeze came before the data, by the clocks of whoever froze and whoever trained."""
    at = registration.freezes[-1].at
    if not units:
        return NO_TIMES
    first, early = min(began for began, _ in units), sum(earlier(began, at) for began, _ in units)
    if early:
        return f"{early} of {len(units)} units began BEFORE the freeze of {at}, the first at {first}"
    return f"all {len(units)} units began after the freeze of {at}, the first at {first}"


def earlier(began: str, at: str) -> bool:
    """Whether by a second or more: all times are cut to whole seconds."""
    return moment(began) + 1 < moment(at)


def moment(at: str) -> int:
    """A time in UTC as seconds since 1970."""
    return calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ"))


def spans(provenance: Sequence[dict[str, Any]]) -> list[Span]:
    """When each trained unit began and ended, of those whose provenance says so."""
    known = []
    for entry in provenance:
        try:
            ended = moment(entry["finished"])
            known.append((utc(ended - float(entry["seconds"])), utc(ended)))
        except (KeyError, TypeError, ValueError, OverflowError):
            continue  # not of a unit trained here
    return known
