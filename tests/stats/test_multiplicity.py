import pytest

from lthbench.stats.multiplicity import fixed_level


def test_every_claim_has_an_equal_share() -> None:
    assert fixed_level(4) == 0.0125
    assert fixed_level(5) == 0.01
    assert fixed_level(2, 0.1) == 0.05
    assert fixed_level(1, 0.025) == 0.025


@pytest.mark.parametrize(("m", "alpha"), [(0, 0.05), (3, 0.0), (3, 1.0), (3, float("nan"))])
def test_refuses_what_is_no_family_or_no_level(m, alpha) -> None:
    with pytest.raises(ValueError, match=r"primary claims|alpha must lie"):
        fixed_level(m, alpha)
