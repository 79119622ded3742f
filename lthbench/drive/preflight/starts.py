"""Whether fresh weights are fresh: another seed must give other values, or reinitialising does nothing."""

from collections.abc import Iterator

import numpy as np

from lthbench.drive.preflight.remark import Remark, firsts, notice, refusal
from lthbench.models.module import ModuleModel


def remarks(model: ModuleModel) -> Iterator[Remark]:
    """About the weights that two seeds give."""
    first, second = (model.initial_state(np.random.default_rng(seed)) for seed in (0, 1))
    same = [name for name in model.prunable if first[name].tobytes() == second[name].tobytes()]
    flat = [name for name in same if first[name].min() == first[name].max()]
    if same and (same != flat or len(same) == len(model.prunable)):
        yield refusal(
            f"{firsts([name for name in same if name not in flat] or same)}: the same weights for every seed "
            "(a loaded checkpoint, or a seed of its own?), so reinitialising does nothing; draw them from torch"
        )
    elif flat:
        yield notice(f"{firsts(flat)}: starts as one number for every seed, so reinitialising leaves it as it is")
