from dataclasses import replace

import numpy as np
import pytest
from report_sample import N

from lthbench.recipe.arms import ARMS
from lthbench.report.figures import intervals, learning, line
from lthbench.report.figures.density import density_plot, ticks
from lthbench.report.figures.density import draw as draw_density
from lthbench.report.figures.style import look
from lthbench.report.figures.summaries import final_accuracy, learning_curve, line_errors, over_replicates
from lthbench.stats.rule import Rule


def artists(figure, gid: str) -> list:
    return [a for axes in figure.axes for a in axes.get_children() if a.get_gid() == gid]


def test_interval_plot_draws_every_replicate_the_mean_and_the_interval(verdicts) -> None:
    claim = verdicts.claims[0]
    lines = intervals.drawable(claim)
    figure = intervals.draw(claim, lines)
    assert len(lines) == 2
    for artist, result in zip(artists(figure, "replicates"), lines, strict=True):
        assert list(artist.get_xdata()) == result.d
        assert len(result.d) == N
    for artist, result in zip(artists(figure, "mean"), lines, strict=True):
        assert list(artist.get_xdata()) == [result.evidence["mean"]]
    for artist, result in zip(artists(figure, "interval"), lines, strict=True):
        assert list(artist.get_xdata()) == [result.evidence["low"], result.evidence["high"]]


def test_deciding_rows_look_different_from_those_beside(verdicts) -> None:
    claim = verdicts.claims[0]
    deciding, beside = artists(intervals.draw(claim, intervals.drawable(claim)), "mean")
    assert deciding.get_markerfacecolor() != beside.get_markerfacecolor()


@pytest.mark.parametrize(
    ("test", "bounds", "side"),
    [
        ("superiority", [0.0, 1.5], (1.5, np.inf)),
        ("non-inferiority", [-1.5], (-1.5, np.inf)),
        ("equivalence", [-1.5, 1.5], (-1.5, 1.5)),
    ],
)
def test_bounds_and_pass_side(verdicts, test, bounds, side) -> None:
    result = replace(verdicts.claims[0].hypotheses[0], test=test)
    assert intervals.bounds(result) == bounds
    assert Rule(test, 1.5).range == side


def test_everything_lies_inside_the_axes(verdicts) -> None:
    for claim in verdicts.claims:
        lines = intervals.drawable(claim)
        if lines:
            low, high = intervals.limits(lines)
            assert all(low < value < high for result in lines for value in [*result.d, *intervals.bounds(result)])


def test_units_do_not_share_an_axis(verdicts) -> None:
    claim = verdicts.claims[0]
    mixed = replace(claim, beside=[replace(claim.beside[0], unit="iterations")])
    assert len(intervals.draw(mixed, intervals.drawable(mixed)).axes) == 2


def test_no_figure_without_numbers(verdicts, tidy) -> None:
    assert intervals.interval_plot(verdicts.claims[4]) is None
    assert density_plot(tidy[tidy["arm"] == "dense"], "tiny") is None
    assert line.line_plot(tidy[tidy["arm"] == "dense"], "tiny") is None
    assert learning.learning_plot(tidy, "another", []) is None


def test_alternative_says_the_numbers(verdicts) -> None:
    picture = intervals.interval_plot(verdicts.claims[0])
    assert picture is not None
    assert "−2.65 [−2.85, −2.45], n = 8" in picture.alt


def test_draws_are_averaged_inside_a_replicate(tidy) -> None:
    reinit = tidy[(tidy["arm"] == "reinit") & (tidy["metric"] == "final_test_accuracy")]
    by_hand = reinit.groupby("replicate")["value"].mean()
    row = over_replicates(reinit, "arm").loc["reinit"]
    assert row["n"] == N
    assert row["mean"] == pytest.approx(by_hand.mean())
    assert row["sd"] == pytest.approx(by_hand.std(ddof=1))
    assert (row["min"], row["max"]) == pytest.approx((by_hand.min(), by_hand.max()))


def test_density_plot_has_one_marker_per_level(tidy) -> None:
    table = final_accuracy(tidy)
    pruned = table[~table["arm"].isin(["dense", "dense-copy"])]
    figure = draw_density(table[table["arm"] == "dense"], pruned)
    containers = {c.get_label(): c for c in figure.axes[0].containers}
    assert set(containers) == {"ticket", "reinit", "rewound"}
    ticket = containers["ticket"].lines[0]
    assert list(ticket.get_ydata()) == list(table[table["arm"] == "ticket"].sort_values("level")["mean"])
    assert ticket.get_xdata() == pytest.approx([80, 64], rel=0.05)
    left, right = figure.axes[0].get_xlim()
    assert left > 100 > 64 > right  # dense on the left, sparser to the right


def test_ticks_are_densities_that_were_run(tidy) -> None:
    table = final_accuracy(tidy)
    assert ticks(table[table["arm"] == "ticket"]) == [100.0, 64.0, 80.0]


def test_learning_curves_are_means_over_replicates(tidy) -> None:
    curve = learning_curve(tidy, "ticket", 2)
    figure = learning.draw({("ticket", 2): curve}, {("ticket", 2): 0.64})
    (artist,) = artists(figure, "arm.ticket")
    assert list(artist.get_ydata()) == list(curve["mean"])
    assert list(curve["iteration"]) == [50, 100]
    assert list(curve["n"]) == [N, N]


def test_line_plot_draws_every_replicate_and_their_mean(tidy) -> None:
    errors = line_errors(tidy)
    figure = line.draw(errors)
    assert len(artists(figure, "replicate")) == N
    (mean,) = artists(figure, "mean")
    assert list(mean.get_ydata()) == [33.5, 43.5, 33.5]


def test_arms_differ_without_colour() -> None:
    looks = [look(arm) for arm in ARMS]
    assert len({str(each.marker) for each in looks}) == len(looks)
    assert len({str(each.dashes) for each in looks}) == len(looks)
