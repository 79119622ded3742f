"""The picture of the primary claims, and the one that the README shows."""

import html
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from lthbench.judging.verdict import LineResult, Verdicts, from_json
from lthbench.report.figures import headlines
from lthbench.report.figures.style import look

ROOT = Path(__file__).parents[2]
RUN = ROOT / "reports/reference/quick/seed-0"
HEADLINES = ["FC-1", "FC-6", "FC-8", "ST-2"]


@pytest.fixture(scope="module")
def run() -> Verdicts:
    return from_json((RUN / "verdicts.json").read_text())


def artists(figure, gid: str) -> list:
    return [a for axes in figure.axes for a in axes.get_children() if a.get_gid() == gid]


def drawn(run: Verdicts) -> tuple[list[LineResult], object]:
    claims = [claim for claim in run.claims if claim.kind == "primary"]
    return [line for claim in claims for line in claim.hypotheses], headlines.draw(claims, run)


def test_the_committed_picture_is_what_its_verdicts_draw(run) -> None:
    picture = headlines.headlines_plot(run)
    again = headlines.headlines_plot(from_json((RUN / "verdicts.json").read_text()))
    assert picture == again
    stale = f"""draw it again: lthbench.load("{RUN.relative_to(ROOT)}").report(...) writes figures/headlines.svg"""
    assert (RUN / "figures/headlines.svg").read_text() == picture.svg, stale
    assert len(picture.svg.encode()) < 30_000


def test_the_readme_shows_it_with_its_numbers_as_alternative(run) -> None:
    readme = (ROOT / "README.md").read_text()
    [alternative] = re.findall(
        r"^!\[(.*)\]\(reports/reference/quick/seed-0/figures/headlines.svg\)$", readme, re.M
    )
    picture = headlines.headlines_plot(run)
    assert alternative == picture.alt
    for claim in run.claims:
        assert (f"{claim.id} {claim.verdict}: " in alternative) == (claim.kind == "primary")


def test_every_number_drawn_is_in_the_verdicts(run) -> None:
    lines, figure = drawn(run)
    assert [claim.id for claim in run.claims if claim.kind == "primary"] == HEADLINES
    dots = artists(figure, "replicates")
    assert len(dots) == 2 * len(lines)
    for line, below, above in zip(lines, dots[::2], dots[1::2], strict=True):
        assert sorted([*below.get_xdata(), *above.get_xdata()]) == sorted(line.d)
        assert max(below.get_xdata(), default=-1) < 0 <= min(above.get_xdata(), default=0)
    for line, mean, bar in zip(lines, artists(figure, "mean"), artists(figure, "interval"), strict=True):
        assert list(mean.get_xdata()) == [line.evidence["mean"]]
        assert list(bar.get_xdata()) == [line.evidence["low"], line.evidence["high"]]
    margins = [abs(artist.get_xdata()[0]) for artist in artists(figure, "margin")]
    assert margins == [line.delta for line in lines]


def test_every_number_written_is_in_the_verdicts(run) -> None:
    stored: set[str] = {"95"}  # percent of the intervals

    def collect(value: object) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)
        elif isinstance(value, int | float):
            stored.update({f"{abs(value):.2f}", f"{abs(value):g}"})

    collect(json.loads((RUN / "verdicts.json").read_text())["claims"])
    svg = headlines.headlines_plot(run).svg
    texts = ["".join(element.itertext()) for element in ET.fromstring(svg).iter() if element.tag.endswith("}text")]
    scale = [text for text in texts if re.fullmatch(r"−?[\d.]+", text)]  # ticks
    titles = [text for text in texts if re.match(r"[A-Z]+-\d+ ", text)]
    assert [title.split()[0] for title in titles] == HEADLINES
    said = [text for text in texts if text not in scale + titles]
    numbers = re.findall(r"\d+(?:\.\d+)?", " ".join(said))
    assert len(numbers) > 4 * 7
    assert not set(numbers) - stored


def test_directions_are_in_words_and_in_the_colours_of_the_arms(run) -> None:
    lines, figure = drawn(run)
    notes = [text for axes in figure.axes for text in axes.texts]
    right = [(text.get_text(), text.get_color()) for text in notes if text.get_text().startswith("→")]
    left = [(text.get_text(), text.get_color()) for text in notes if text.get_text().endswith("←")]
    assert right[0] == ("→ ticket better", look("ticket").colour)
    assert left[0] == ("dense better ←", look("dense").colour)
    assert right[-1] == ("→ dense better", look("dense").colour)
    assert len(right) == len(left) == len(lines)
    for dots, of in zip(artists(figure, "replicates")[:2], ("dense", "ticket"), strict=True):
        assert dots.get_color() == look(of).colour


@pytest.mark.parametrize(
    ("endpoint", "contrast", "below", "above"),
    [
        ("final_test_accuracy", "other:ticket@9 - dense@0", "dense better", "ticket better"),
        ("log_iterations_to_96%", "reinit@7 - ticket@7", "reinit sooner", "ticket sooner"),
        ("barrier", "0 - dense-copy@0", "against it", "for the claim"),
        ("generalisation_gap", "dense@0 - ticket@9", "dense smaller gap", "ticket smaller gap"),
        ("final_test_accuracy", "untrained@7 - 10", "against it", "for the claim"),
        ("final_test_accuracy", "net-a:ticket@9 - net-b:ticket@9", "ticket b better", "ticket a better"),
        ("final_test_accuracy", "net-calm:dense@0 - dense@0", "dense better", "dense net-calm better"),
        ("final_test_accuracy", "ticket@4 - ticket@9", "ticket 9 better", "ticket 4 better"),
        ("final_test_accuracy", "nonsense", "against it", "for the claim"),
    ],
)
def test_what_a_side_says(verdicts, endpoint, contrast, below, above) -> None:
    line = replace(verdicts.claims[0].hypotheses[0], endpoint=endpoint, contrast=contrast)
    assert [side.says for side in headlines.sides(line)] == [below, above]


def test_what_stands_on_the_picture_lies_inside_it(run) -> None:
    for stored in (RUN, RUN.parent / "seed-6", ROOT / "reports/reference/cpu/seed-0"):
        _, figure = drawn(from_json((stored / "verdicts.json").read_text()))
        figure.canvas.draw()
        edges = figure.bbox
        for text in [text for axes in figure.axes for text in axes.texts] + figure.texts:
            box = text.get_window_extent()
            assert edges.x0 <= box.x0, text.get_text()
            assert box.x1 <= edges.x1, text.get_text()
            assert edges.y0 <= box.y0, text.get_text()


def test_other_suites_and_runs_that_are_not_whole(verdicts) -> None:
    first, second, *_ = verdicts.claims
    missing = replace(first.hypotheses[0], d=[], evidence=None)
    partly = replace(first, hypotheses=[first.hypotheses[0], missing])
    diverged = replace(second, hypotheses=[replace(second.hypotheses[0], d=[None, 1.0])])
    picture = headlines.headlines_plot(replace(verdicts, claims=[partly, diverged]))
    assert picture.alt.count("margin") == 2
    assert "A-1 PASS" in html.unescape(picture.svg)
    nothing = [replace(first, hypotheses=[missing]), verdicts.claims[-1]]
    assert headlines.headlines_plot(replace(verdicts, claims=nothing)) is None
    ln = replace(first.hypotheses[0], unit="ln units")
    mixed = replace(verdicts, claims=[replace(first, hypotheses=[first.hypotheses[0], ln])])
    assert len(headlines.draw(mixed.claims, mixed).axes) == 2


def test_released_results_are_named_as_such(verdicts) -> None:
    groups = replace(verdicts.claims[0].hypotheses[0], d=[])
    published = replace(verdicts, origin="published", claims=[replace(verdicts.claims[0], hypotheses=[groups])])
    picture = headlines.headlines_plot(published)
    assert "on published data, reduced scale" in picture.svg
    assert "on published data" in picture.alt
