"""The level of a primary claim: fixed, so that no verdict depends on another claim's."""


def fixed_level(m: int, alpha: float = 0.05) -> float:
    """alpha / m for each of the m primary claims of a suite (Bonferroni), whatever the others turn out to be."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), got {alpha}")
    if m < 1:
        raise ValueError(f"a suite that judges primary claims has at least one, got {m}")
    return alpha / m
