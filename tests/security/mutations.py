"""Random damage to real files, as hypothesis strategies."""

from hypothesis import strategies as st

YAML_PIECES = (
    "!!python/object/apply:os.system [ls]", "&a", "*a", "&a [*a]", "<<: *a", "? [a]",
    "{", "}", "[", "]", ": ", "- ",
    "\n", "\t", "|", ">", "'", '"', "#", "%", "---", "...", "null", "~", "true", ".nan", ".inf",
    "-1", "0", "1e999",
    "9" * 50, "9" * 5000, "1:" * 400 + "1", "2001-99-99", "2001-01-01", "0x", "0b", "\x00",
    "\x1b[31m", '"\\ud800"',
    "\u202e", "é", "<script>", "[/bold]", "ticket@2", "ticket@99999", "x:y@1", "../../x", "[[[[[[", "[" * 500,
)  # fmt: skip
TABLE_PIECES = (
    ",", "\n", "\r", "\r\n", '"', ";", "\t", "\x00", "\x1b[31m", "nan", "inf", "-inf", "1e308", "-1e308", "1e-320",
    "9" * 400, "0x10", "1_000", "1,5", "", " ", "-1", "0", "2", "1e12", "fraction", "percent", "True", "é", "=1+1",
    "\u202e", "<script>", "[/bold]", "ticket", "dense", "mnist1d-mlp", "final_test_accuracy", "barrier", "sd", "n",
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, text: str, pieces: tuple[str, ...], most: int = 6) -> str:
    """The text with up to `most` cuts, repetitions and foreign pieces."""
    for _ in range(draw(st.integers(1, most))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 30)))
        piece = draw(st.one_of(st.sampled_from(pieces), st.text(max_size=8), st.just(text[begin:end] * 2)))
        text = text[:begin] + piece + text[end:]
    return text
