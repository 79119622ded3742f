"""A network on arrays, with a pruning recipe: what there is to say without a claim."""

import re
from collections.abc import Iterator
from functools import partial

import torch

from lthbench.data.arrays import Arrays
from lthbench.drive.preflight import criteria, repeats, starts, weights
from lthbench.drive.preflight.remark import Remark, refusal
from lthbench.errors import own_frames, place_of
from lthbench.models.borrowed import place
from lthbench.models.errors import ModelError
from lthbench.models.mlp import Mlp
from lthbench.models.registry import build, model
from lthbench.pruning.errors import CriterionError
from lthbench.recipe.experiment import FUNCTION, Network, Pruning
from lthbench.training.run import Model

PLACE = re.compile(r", line \d+\)$")  # of what failed, at the end of a line


def remarks(network: Network, arrays: Arrays, pruning: Pruning) -> list[Remark]:
    """What there is to say before a network is trained and pruned on arrays.

    Networks and criteria of this project's own are taken as they are; a library's network is not tried.
    Raises ModelError for one that cannot be built.
    """
    if network.is_paper and not FUNCTION.match(pruning.criterion):
        return []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in training, so that sums come out alike
    try:
        with repeats.other_numbers(0):  # the caller's stay as they are
            seen = model(network, arrays.x_train.shape[1:], arrays.classes)
            return list(of_network(network, seen, arrays, pruning))
    finally:
        torch.set_num_threads(threads)


def of_network(network: Network, seen: Model, arrays: Arrays, pruning: Pruning) -> Iterator[Remark]:
    """About the network, in its name; what only training shows is left out where something is refused before."""
    own = bool(FUNCTION.match(network.kind))
    where = place(network) if own else ""
    said: list[Remark] = []
    if not isinstance(seen, Mlp):
        module = repeats.quiet(partial(build, network, arrays.x_train.shape[1:], arrays.classes))
        said += weights.remarks(module, seen, pruning.keep, own)
        said += starts.remarks(seen) if own else []
    if not any(remark.refused for remark in said) and (own or FUNCTION.match(pruning.criterion)):
        said += in_training(seen, arrays, pruning, own)
    for remark in said:
        placed = not remark.refused or PLACE.search(remark.says)
        yield Remark(f"{network.kind}: {remark.says}{'' if placed else where}", remark.refused)


def in_training(seen: Model, arrays: Arrays, pruning: Pruning, own: bool) -> Iterator[Remark]:
    """What two iterations show; a failure of the user's code is told with its place."""
    folds = repeats.trial_folds(seen, arrays)
    try:
        trained = repeats.trial(seen, folds)
        if own and not isinstance(seen, Mlp):
            yield from repeats.remarks(seen, arrays, trained)
        if FUNCTION.match(pruning.criterion):
            yield from criteria.remarks(pruning.criterion, seen, folds, trained)
    except (ModelError, CriterionError) as error:
        yield refusal(str(error))
    except (Exception, SystemExit) as error:  # the user's code may fail in any way
        said = " ".join(f"{type(error).__name__}: {error}".split())
        at = f" ({place_of(error)})" if own_frames(error) else ""
        yield refusal(f"two iterations of training failed: {said}{at}")
