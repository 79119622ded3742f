"""One bounded reader: whatever is too large, packed wrongly or no text is refused in one line."""

import gzip

import pytest

from lthbench.errors import UserError
from lthbench.files import read_bytes, read_text


@pytest.mark.parametrize("name", ["a.txt", "a.gz"])
def test_a_file_up_to_its_limit(tmp_path, name) -> None:
    path, content = tmp_path / name, b"x" * 100
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert read_bytes(path, 100, UserError, "shorten it") == content
    with pytest.raises(UserError, match=rf"{name}: (larger|unpacks to more) than 99 bytes; shorten it"):
        read_bytes(path, 99, UserError, "shorten it")


def test_the_limit_holds_for_what_is_unpacked(tmp_path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"0" * 3 * 10**6))
    with pytest.raises(UserError, match="unpacks to more than 2 MB; shorten it"):
        read_bytes(path, 2 * 10**6, UserError, "shorten it")


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"cut" * 99)[:-9], b"\x1f\x8b\x08\xff" + bytes(99)],
    ids=["text", "cut", "damaged"],
)
def test_no_gzip(tmp_path, content) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a readable gzip file; make it again"):
        read_bytes(path, 10**6, UserError, "make it again")


def test_no_file_no_text_and_the_error_asked_for(tmp_path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(KeyError, match="no such file; give one"):
            read_text(path, 10, KeyError, "give one")
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    with pytest.raises(KeyError, match="not UTF-8 text; give one"):
        read_text(tmp_path / "a", 10, KeyError, "give one")
    (tmp_path / "a").write_text("µ\n", encoding="utf-8")
    assert read_text(tmp_path / "a", 10, KeyError, "give one") == "µ\n"


def test_lines_end_alike_however_the_file_ends_them(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"a\r\nb\rc\n")
    assert read_text(tmp_path / "a", 10, UserError, "give one") == (tmp_path / "a").read_text() == "a\nb\nc\n"
