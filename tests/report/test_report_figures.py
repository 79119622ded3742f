import re
from dataclasses import replace
from io import StringIO
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from report_sample import N

from lthbench.recipe.arms import ARMS
from lthbench.report.figures import inputs, intervals, learning, line, masks
from lthbench.report.figures.density import density_plot, far_arms, ticks
from lthbench.report.figures.density import draw as draw_density
from lthbench.report.figures.ends import spread
from lthbench.report.figures.style import LOOKS, RELEASED, look
from lthbench.report.figures.summaries import final_accuracy, learning_curve, line_errors, over_replicates
from lthbench.report.figures.theme import dark, themed, variables
from lthbench.stats.groups import Group
from lthbench.stats.rule import Rule


def artists(figure, gid: str) -> list:
    return [a for axes in figure.axes for a in axes.get_children() if a.get_gid() == gid]


def test_interval_plot_draws_every_replicate_the_mean_and_the_interval(verdicts) -> None:
    claim = verdicts.claims[0]
    lines = intervals.drawable(claim)
    figure = intervals.draw(claim, lines)
    assert len(lines) == 2
    dots = artists(figure, "replicates")
    for below, above, result in zip(dots[::2], dots[1::2], lines, strict=True):
        assert sorted([*below.get_xdata(), *above.get_xdata()]) == sorted(result.d)
        assert max(below.get_xdata(), default=-1) < 0 <= min(above.get_xdata(), default=0)
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


def test_every_line_has_a_scale_of_its_own(verdicts) -> None:
    claim = verdicts.claims[0]
    axes = intervals.draw(claim, intervals.drawable(claim)).axes
    assert [len(a.get_lines()) > 0 for a in axes] == [True] * 4  # pairs and differences, twice
    assert axes[1].get_xlim() != axes[3].get_xlim()


def test_pairs_go_from_dense_to_the_ticket_in_the_colour_of_the_better_one(verdicts) -> None:
    line = replace(
        verdicts.claims[0].hypotheses[0], contrast="dense@0 - ticket@2", minuend=[3.0, 1.0], subtrahend=[1.0, 2.0],
        d=[2.0, -1.0],
    )  # fmt: skip
    claim = replace(verdicts.claims[0], hypotheses=[line])
    figure = intervals.draw(claim, [line])
    against, favour = artists(figure, "pairs")
    assert list(against.get_xdata())[:2] == list(favour.get_xdata())[:2] == [1, 0]  # the minuend, dense, is left
    assert list(against.get_ydata())[:2] == [2.0, 1.0]
    assert list(favour.get_ydata())[:2] == [1.0, 3.0]
    assert (against.get_color(), favour.get_color()) == (look("ticket").colour, look("dense").colour)
    ticks = dict(zip(figure.axes[0].get_xticks(), figure.axes[0].get_xticklabels(), strict=True))
    assert {x: label.get_text() for x, label in ticks.items()} == {0: "dense", 1: "ticket"}
    words = [text.get_text() for text in figure.axes[1].texts]
    assert words == ["← ticket better", "dense better →"]


def test_the_table_of_a_figure_holds_what_is_drawn(verdicts) -> None:
    claim = verdicts.claims[0]
    drawn = pd.read_csv(StringIO(intervals.interval_plot(claim).csv))
    line = claim.hypotheses[0]
    assert list(drawn["difference"][:N]) == pytest.approx(line.d)
    assert drawn.iloc[-1]["low"] == line.evidence["low"]
    assert drawn.iloc[-1]["margin"] == line.delta


def test_a_published_value_stands_on_the_line_it_belongs_to(verdicts) -> None:
    claim = verdicts.claims[0]
    picture = intervals.interval_plot(claim, published={"H1": [0.3]})
    assert "Published: +0.30 pp." in picture.alt
    (mark,) = artists(intervals.draw(claim, claim.hypotheses, published={"H1": [0.3]}), "published")
    assert list(mark.get_xdata()) == [0.3]


def test_every_arm_has_a_mark_that_can_be_drawn(verdicts) -> None:
    claim = verdicts.claims[0]
    for arm in (*ARMS, "somebody-s-arm"):
        line = replace(claim.hypotheses[0], contrast=f"tiny:{arm}@2 - tiny:lr-rewound@2")
        assert artists(intervals.draw(claim, [line]), "replicates"), arm


def test_two_unpaired_groups_are_drawn_as_mean_and_sd(verdicts) -> None:
    groups = [Group(76.1, 0.2, 3), Group(75.0, 0.1, 3)]
    line = replace(verdicts.claims[0].hypotheses[0], d=[], minuend=[], subtrahend=[], groups=groups)
    claim = replace(verdicts.claims[0], hypotheses=[line])
    figure = intervals.draw(claim, [line])
    (drawn,) = figure.axes[0].containers
    assert list(drawn.lines[0].get_ydata()) == [75.0, 76.1]
    assert "two unpaired groups" in intervals.interval_plot(claim).alt


def test_no_figure_without_numbers(verdicts, tidy) -> None:
    assert intervals.interval_plot(verdicts.claims[4]) is None
    assert intervals.beside_plot(verdicts.claims[4]) is None
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
    assert len(figure.axes) == 1  # no arm lies far below
    containers = {c.get_label(): c for c in figure.axes[0].containers}
    assert set(containers) == {"ticket", "reinit", "rewound"}
    ticket = containers["ticket"].lines[0]
    assert list(ticket.get_ydata()) == list(table[table["arm"] == "ticket"].sort_values("level")["mean"])
    assert ticket.get_xdata() == pytest.approx([80, 64], rel=0.05)
    left, right = figure.axes[0].get_xlim()
    assert left > 100 > 64 > right  # dense on the left, sparser to the right


def test_arms_that_lie_far_below_have_a_panel_of_their_own(tidy) -> None:
    table = final_accuracy(tidy)
    dense, pruned = table[table["arm"] == "dense"], table[~table["arm"].isin(["dense", "dense-copy"])]
    away = pruned["arm"] == "reinit"
    lower = pruned.assign(**{k: pruned[k].where(~away, pruned[k] - 30) for k in ("mean", "min", "max")})
    assert far_arms(dense, lower) == ["reinit"]
    near, far = draw_density(dense, lower).axes
    assert {c.get_label() for c in near.containers} == {"ticket", "rewound"}
    assert {c.get_label() for c in far.containers} == {"reinit"}
    assert near.get_ylim()[0] > 50 > far.get_ylim()[0]
    assert near.get_xlim() == far.get_xlim()
    words = [text.get_text() for axes in (near, far) for text in axes.texts]
    assert sorted(words) == ["dense", "reinit", "rewound", "ticket"]  # at the lines, no legend


def test_labels_at_the_ends_of_lines_do_not_meet() -> None:
    places = spread([0.9, 0.89, 0.88, 0.2], 0.1)
    gaps = [above - below for above, below in pairwise(places)]
    assert min(gaps) >= 0.1 - 1e-9
    assert places[3] == 0.2
    assert sum(places[:3]) == pytest.approx(0.9 + 0.89 + 0.88)


def counts(layers: dict[str, list[int]], densities=(1.0, 0.5, 0.25, 0.1)) -> pd.DataFrame:
    """Survivors per layer and level, the same in two replicates."""
    rows = [
        ("tiny", "ticket" if level else "dense", level, densities[level], replicate, 0, 100, f"nonzero:{name}", n)
        for name, numbers in layers.items()
        for level, n in enumerate(numbers)
        for replicate in range(2)
    ]
    columns = ["experiment", "arm", "level", "density", "replicate", "draw", "iteration", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_layers_are_drawn_where_they_are_pruned_unlike_one_another() -> None:
    apart = counts({"fc1.weight": [1000, 400, 150, 20], "out.weight": [100, 90, 80, 60]})
    picture = masks.layers_plot(apart, "tiny")
    assert picture.name == "tiny-layers"
    assert "at 10.0 % of all weights: fc1 2.0 %, out 60.0 %" in picture.alt
    table = masks.layer_densities(apart)
    assert list(table[table["layer"] == "fc1"]["density"]) == [0.4, 0.15, 0.02]
    alike = counts({"fc1.weight": [1000, 500, 250, 100], "out.weight": [100, 50, 25, 10]})
    assert masks.layers_plot(alike, "tiny") is None
    assert masks.layers_plot(apart[apart["arm"] == "dense"], "tiny") is None


def input_counts(shape: tuple[int, int], arms: dict[str, tuple[int, int]], outputs: int = 10) -> pd.DataFrame:
    """Survivors per input of each arm: so many in the middle of the inputs, so many at their border."""
    rows, columns = shape
    near = np.array([[min(r, rows - 1 - r) >= rows // 4 and min(c, columns - 1 - c) >= columns // 4
                      for c in range(columns)] for r in range(rows)]).ravel()  # fmt: skip
    head = {"experiment": "tiny", "level": 2, "networks": 4, "outputs": outputs, "input": range(rows * columns)}
    parts = [pd.DataFrame(head | {"arm": arm, "survivors": np.where(near, *n)}) for arm, n in arms.items()]
    return pd.concat(parts)


def test_a_map_of_a_mask_says_where_its_weights_are() -> None:
    table = input_counts((8, 8), {"random-mask": (2, 2), "ticket": (5, 1)})
    made = inputs.inputs_plot(table, "tiny", (8, 8))
    assert "ticket at level 2: mean 20.0 %, border 10.0 %, middle 50.0 %." in made.alt
    assert "random-mask at level 2: mean 20.0 %, border 20.0 %, middle 20.0 %." in made.alt
    assert made.svg.count("<image") == 3  # a map each, and the scale of colours
    read = pd.read_csv(StringIO(made.csv))
    assert list(read.columns) == ["input", "ticket@2", "random-mask@2"]
    assert read["ticket@2"].sum() == pytest.approx(16 * 0.5 + 48 * 0.1)


def test_a_signal_is_drawn_as_lines() -> None:
    table = input_counts((1, 40), {"ticket": (5, 1), "one-shot": (3, 3)})
    made = inputs.inputs_plot(table, "tiny", (1, 40))
    assert "ticket at level 2: mean 30.0 %, from 10.0 % at place 0 to 50.0 % at 10." in made.alt
    assert "<image" not in made.svg
    assert "one-shot 30.0 %" in made.svg


def test_there_is_no_map_without_counts_or_of_other_inputs() -> None:
    table = input_counts((8, 8), {"ticket": (5, 1)})
    assert inputs.inputs_plot(None, "tiny", (8, 8)) is None
    assert inputs.inputs_plot(table, "another", (8, 8)) is None
    assert inputs.inputs_plot(table, "tiny", None) is None
    assert inputs.inputs_plot(table, "tiny", (28, 28)) is None


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


def test_one_colour_for_each_arm_and_no_two_alike() -> None:
    colours = [each.colour for each in LOOKS.values()]
    assert len(set(colours)) == len(colours)
    for arm in (*LOOKS, *RELEASED, "somebody-s-arm"):
        assert look(arm) == look(arm)
    assert look("somebody-s-arm").colour not in colours
    assert look("").colour not in colours


def test_the_dark_page_has_a_colour_for_every_colour_of_a_figure(verdicts) -> None:
    svg = intervals.interval_plot(verdicts.claims[0]).svg
    names = variables([svg])
    assert names["--c1a1a1a"] == "#ececea"
    used = set(re.findall(r"var\((--c[0-9a-f]{6}), #", themed(svg)))
    assert used == set(names)
    assert not re.search(r": #[0-9a-f]{6}", themed(svg))
    for look_ in LOOKS.values():  # light enough to be seen on the dark page
        red, green, blue = (int(dark(look_.colour)[i : i + 2], 16) / 255 for i in (1, 3, 5))
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.25


def test_arms_differ_without_colour() -> None:
    looks = [look(arm) for arm in ARMS]
    assert len({str(each.marker) for each in looks}) == len(looks)
    assert len({str(each.dashes) for each in looks}) == len(looks)
