"""A terminal or pipe that knows ASCII only: everything is printed, our symbols spelled."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lthbench.cli import spelling
from lthbench.drive.dag import PACKAGE

# Characters that are read (popular accounts, CSV files of others) or drawn, and never printed.
READ_ONLY = {"µ", "²"}


def printed(text: str, encoding: str = "ascii") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors=spelling.NAME)
    stream.write(text)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("✓ PASS  −1.2 ± 0.3 …", "+ PASS  -1.2 +- 0.3 ~"),
        ("p ≤ α, √n × δ → “so”", 'p <= alpha, sqrtn x delta -> "so"'),
        ("Müller, 2²", "Muller, 22"),
        ("票 \u202e", "\\u7968 \\u202e"),
    ],
)
def test_symbols_are_spelled_letters_lose_accents_and_the_rest_is_escaped(text: str, said: str) -> None:
    assert printed(text) == said
    assert printed(text, "utf-8") == text


def test_what_a_stream_can_write_it_writes() -> None:
    assert printed("Müller ± δ", "latin-1") == "Müller ± delta"


def test_every_symbol_of_ours_has_a_spelling() -> None:
    ours = {c for file in PACKAGE.rglob("*.py") for c in file.read_text(encoding="utf-8") if not c.isascii()}
    assert len(ours) > 20
    assert ours - READ_ONLY <= set(spelling.SPELLED)


def test_files_are_read_as_they_were_written_whatever_the_locale() -> None:
    readers = {
        file.relative_to(PACKAGE).as_posix(): file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py")
    }
    assert sum("encoding=" in text for text in readers.values()) > 10
    unsaid = re.compile(r"\.read_text\(\)|\.open\(\)")  # in the encoding of the locale
    found = {name for name, text in readers.items() if unsaid.search(text)}
    assert found <= {"data/image_folder.py"}  # a hash in hexadecimal


def test_commands_end_as_they_do_elsewhere(plain_run: Path, claims_dir: Path, environment) -> None:
    locale = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "lthbench", "run", "tiny", "--out", str(plain_run), "--claims-dir", str(claims_dir),
         "--no-snakemake"],
        env=environment | locale, capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    said = done.stdout.decode("ascii")
    assert "+ PASS" in said
    assert "Exit code 0." in said
    assert "\\u" not in said
