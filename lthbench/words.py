"""Somebody's text inside a sentence of ours, and names that look alike."""

import re
from collections.abc import Iterable, Sequence

# Control characters, and those that reorder text: on a terminal they act, in XML most are forbidden.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
MINUS = "\u2212"  # as reports print it
DASHES = re.compile("[\u2010-\u2015\u2212]")
LONGEST_NAME = 60  # of a name that is compared with others


def plain(text: object) -> str:
    """Text on one line, without characters that act on a terminal or are forbidden in XML."""
    return UNPRINTABLE.sub("", re.sub(r"\s+", " ", str(text)))


def shown(text: object, most: int = 40) -> str:
    """Somebody's text inside a message: on one line, nothing that acts on a terminal, and not too long."""
    return UNPRINTABLE.sub("", " ".join(str(text)[: 4 * most].split()))[:most]


def message_lines(message: str) -> str:
    """A message of at most two lines, whatever the names in it hold."""
    *first, last = [UNPRINTABLE.sub("", line) for line in message.splitlines()] or [""]
    return " ".join(first) + "\n" + last if first else last


def nearest(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """The known names that look most like `name`, the nearest one first; upper and lower case are one."""
    from difflib import get_close_matches

    spelled = {other.lower(): other for other in reversed(list(known))}
    return [spelled[near] for near in get_close_matches(name[:LONGEST_NAME].lower(), spelled, n=most)]


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """The question `did you mean 'a'? ` before other words about an unknown name; empty if nothing is near."""
    near = [f"'{shown(other, LONGEST_NAME)}'" for other in nearest(name, known, most)]
    return f"did you mean {' or '.join(near)}? " if near else ""


def choices(name: str, known: Iterable[str]) -> str:
    """The names one may use, the nearest one first."""
    names = list(dict.fromkeys(known))
    return f"{did_you_mean(name, names)}there are: {', '.join(names)}"


def as_registered(name: str, known: Iterable[str]) -> str:
    """The known spelling of a name written in other case or with another dash: `fc−1` is FC-1; else the name."""
    names, meant = list(known), folded(name)
    return name if name in names else next((other for other in names if folded(other) == meant), name)


def folded(name: str) -> str:
    """A name without regard to case, to dashes that look like the keyboard's, and to spaces around it."""
    return DASHES.sub("-", name.strip()).lower()


def listed(names: str | Sequence[str]) -> list[str]:
    """Names that were given one by one, with commas between them, or both; each once, in their order."""
    every = [names] if isinstance(names, str) else names
    return list(dict.fromkeys(name.strip() for given in every for name in given.split(",") if name.strip()))


def ranges(numbers: Sequence[int]) -> str:
    """`0-3, 7` for 0, 1, 2, 3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def typed(text: object) -> str:
    """Text as the commands print it: on one line, with the keyboard's minus, which programs read as a number."""
    return plain(text).replace(MINUS, "-")
