import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthbench.stats.multiplicity import holm_levels, settled_level

# A coarse grid makes ties, and p values that sit exactly on a level, common.
P_VALUES = st.one_of(st.sampled_from([0.0, 0.01, 0.0125, 0.025, 0.05, 1.0]), st.floats(0, 1))
PROPERTY = settings(max_examples=60, deadline=None, derandomize=True)
FAMILIES = st.lists(st.one_of(st.none(), P_VALUES), min_size=1, max_size=8).map(
    lambda p: {f"c{i}": value for i, value in enumerate(p)}
)


def holm_rejections(p: dict[str, float | None], alpha: float) -> set[str]:
    """Holm (1979) word for word: reject the smallest p while p <= alpha / (hypotheses left)."""
    left = {claim: 1.0 if value is None else value for claim, value in p.items()}
    rejected = set()
    while left:
        smallest = min(left, key=left.__getitem__)
        if left[smallest] > alpha / len(left):
            break
        rejected.add(smallest)
        del left[smallest]
    return rejected


def rejections(p: dict[str, float | None], levels: dict[str, float]) -> set[str]:
    return {claim for claim, value in p.items() if value is not None and value <= levels[claim]}


def test_by_hand() -> None:
    # Sorted .005 <= .05/4, .01 <= .05/3, .03 > .05/2: stop; .04 would be below .05/1, but is not asked.
    p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    levels = holm_levels(p)
    assert levels == pytest.approx({"a": 0.05 / 3, "b": 0.05 / 2, "c": 0.05 / 2, "d": 0.05 / 4})
    assert list(levels) == list(p)
    assert rejections(p, levels) == {"a", "d"}


def test_all_rejected() -> None:
    assert holm_levels({"a": 0.001, "b": 0.05}) == {"a": 0.025, "b": 0.05}
    assert holm_levels({"a": 0.025, "b": 0.05}) == {"a": 0.025, "b": 0.05}  # both exactly on their level


def test_a_claim_not_run_keeps_its_place() -> None:
    assert holm_levels({"a": None, "b": 0.03}) == {"a": 0.025, "b": 0.025}
    assert holm_levels({"b": 0.03}) == {"b": 0.05}


def test_ties_keep_the_order_given() -> None:
    assert holm_levels({"b": 0.01, "a": 0.01, "c": 0.01}) == pytest.approx({"b": 0.05 / 3, "a": 0.025, "c": 0.05})
    assert holm_levels({}) == {}


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_refuses_what_is_not_a_p_value(p) -> None:
    with pytest.raises(ValueError, match="p of a must lie in"):
        holm_levels({"a": p})


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_refuses_what_is_not_a_level(alpha) -> None:
    with pytest.raises(ValueError, match="alpha must lie in"):
        holm_levels({"a": 0.5}, alpha)


@PROPERTY
@given(p=FAMILIES, alpha=st.sampled_from([0.01, 0.05, 0.1, 0.5]))
def test_agrees_with_holm(p, alpha) -> None:
    assert rejections(p, holm_levels(p, alpha)) == holm_rejections(p, alpha)


@PROPERTY
@given(others=st.lists(P_VALUES, max_size=7))
def test_settled_whatever_the_others(others) -> None:
    m = len(others) + 1
    family = {"ours": settled_level(m), **{f"c{i}": p for i, p in enumerate(others)}}
    assert "ours" in rejections(family, holm_levels(family))


def test_settled_level() -> None:
    assert settled_level(5) == 0.01
    assert settled_level(2, 0.1) == 0.05
    with pytest.raises(ValueError, match="at least one claim"):
        settled_level(0)
