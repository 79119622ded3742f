"""What must hold in weights, masks and accuracies that an implementation returned, whatever its numbers are.

Each invariant looks at all arms of all replicates, says what it saw with numbers, and says so where nothing was
returned that it could look at. They share no code with what prunes and trains. Torch-free.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lthbench.judging.gates.checks import same_scale
from lthbench.judging.gates.masks import count, stays_whole
from lthbench.judging.gates.starts import rate_total
from lthbench.recipe.arms import ARMS, mask_origin
from lthbench.recipe.experiment import Experiment
from lthbench.results.returned import Arrays, Cell, Record

State = Literal["holds", "broken", "not looked at"]
Replicates = Sequence[Mapping[Cell, Record]]  # by replicate, what was returned for each arm
ALL_NEW = 0.99  # of fresh weights
NEAR = 2  # examples by which two ways to sum a logit may differ in their answers
ON_GRID = 1e-4  # percent: accuracies as float32 are this exact
LEAST_UNMOVED, TIMES = 0.1, 3.0  # of the weights of one sign, and how many times the other sign's
RATES_AGREE = 1e-3  # relative: a schedule may take its step one iteration earlier


@dataclass(frozen=True)
class Invariant:
    """One invariant and whether it holds; `detail` says it with numbers. `bugs`: known ones that break it."""

    id: str
    says: str
    state: State
    detail: str
    bugs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Returned:
    """All that an implementation returned for one experiment. `prunable` gives the shapes of the weights."""

    experiment: Experiment
    prunable: Mapping[str, tuple[int, ...]]
    replicates: Replicates

    def every(self) -> Iterator[tuple[int, Cell, Record]]:
        """Replicate, arm and what was returned for it."""
        for number, arms in enumerate(self.replicates):
            for cell, record in arms.items():
                yield number, cell, record

    def masks(self) -> Iterator[tuple[int, Cell, Arrays]]:
        """The masks that were returned, as booleans."""
        for number, cell, record in self.every():
            if record.result.mask:
                yield number, cell, {name: np.asarray(kept) != 0 for name, kept in record.result.mask.items()}

    def mask(self, number: int, cell: Cell) -> Arrays | None:
        """One mask, as booleans."""
        record = self.replicates[number].get(cell)
        mask = record.result.mask if record else None
        return {name: np.asarray(kept) != 0 for name, kept in mask.items()} if mask else None


@dataclass
class Seen:
    """What an invariant looked at and what it found broken, in words."""

    looked: int = 0
    broken: list[str] | None = None

    def check(self, holds: bool, words: str) -> None:
        """One look."""
        self.looked += 1
        if not holds:
            self.broken = [*(self.broken or []), words]


Look = Callable[[Returned], Seen]


def place(number: int, cell: Cell) -> str:
    """An arm of a replicate in words."""
    name, level, draw = cell
    return f"{name}@{level}" + (f" draw {draw}" if draw else "") + f" of replicate {number}"


def names(returned: Returned) -> Seen:
    """Masks are of the prunable weights, all of them and no others."""
    seen, wanted = Seen(), set(returned.prunable)
    for number, cell, mask in returned.masks():
        if cell[0] != "dense":
            odd = sorted(mask.keys() ^ wanted)
            seen.check(
                not odd, f"{place(number, cell)} has a mask for {', '.join(odd[:2])}, which is not pruned here"
            )
    return seen


def counts(returned: Returned) -> Seen:
    """Every mask keeps exactly as many weights as the recipe says of its level."""
    seen, pruning = Seen(), returned.experiment.pruning
    sizes = {name: int(np.prod(shape)) for name, shape in returned.prunable.items()}
    for number, cell, mask in returned.masks():
        kept = {name: int(m.sum()) for name, m in mask.items() if name in sizes}
        wanted = count(sizes, pruning, cell[1], {})
        if wanted.keys() == {"all"}:
            kept = {"all": sum(kept.values())}
        wrong = next((name for name in wanted if kept.get(name) != wanted[name]), None)
        words = (
            ""
            if wrong is None
            else f"{place(number, cell)} keeps {kept.get(wrong)} of {wrong}, not {wanted[wrong]}"
        )
        seen.check(wrong is None, words)
    return seen


def zeros(returned: Returned) -> Seen:
    """Pruned weights are zero when training starts and when it ends."""
    seen = Seen()
    for number, cell, mask in returned.masks():
        result = returned.replicates[number][cell].result
        for when, state in (("at the start", result.start), ("at the end", result.weights)):
            if state is None:
                continue
            alive = sum(int(np.count_nonzero(state[name][~kept])) for name, kept in mask.items() if name in state)
            seen.check(not alive, f"{alive} pruned weights of {place(number, cell)} are not zero {when}")
    return seen


def reset(returned: Returned) -> Seen:
    """Arms on initial weights start there bit for bit, biases and norms too."""
    return moved(returned, lambda name, prunable: not is_buffer(name))


def buffers(returned: Returned) -> Seen:
    """Running statistics start where those of the dense network do."""
    return moved(returned, lambda name, prunable: is_buffer(name), every=True)


def moved(returned: Returned, wanted: Callable[[str, bool], bool], every: bool = False) -> Seen:
    """Entries of starting states that differ from the dense network's start, weights under the mask only."""
    seen = Seen()
    for number, cell, record in returned.every():
        dense = returned.replicates[number].get(("dense", 0, 0))
        kind = ARMS[cell[0]].weights
        if (
            cell[0] == "dense"
            or dense is None
            or not (every or kind == "init")
            or kind == "trained"
            or ARMS[cell[0]].starts_late
        ):
            continue
        start, initial, mask = record.result.start, dense.result.start, returned.mask(number, cell)
        if start is None or initial is None or mask is None:
            continue
        chosen = [name for name in initial if name in start and wanted(name, name in mask)]
        differ = {name: int((start[name] != initial[name])[mask.get(name, ...)].sum()) for name in chosen}
        total, worst = sum(differ.values()), max(differ, key=lambda n: differ[n], default="")
        if chosen:
            seen.check(
                total == 0, f"{place(number, cell)} starts {total} values elsewhere than dense, most in {worst}"
            )
    return seen


def is_buffer(name: str) -> bool:
    """Whether an entry of a state dict is a running statistic, by its usual name (counters of batches are not)."""
    return name.rpartition(".")[2] in ("running_mean", "running_var")


def worn(returned: Returned) -> Seen:
    """Controls that wear the ticket's mask wear exactly that."""
    seen = Seen()
    for number, cell, mask in returned.masks():
        if ARMS[cell[0]].mask != "ticket":
            continue
        ticket = returned.mask(number, (*mask_origin(cell[0], cell[1], ""), 0))
        if ticket is not None:
            differ = sum(int((mask[n] != kept).sum()) for n, kept in ticket.items() if n in mask)
            words = f"the mask of {place(number, cell)} differs from the ticket's in {differ} places"
            seen.check(differ == 0 and mask.keys() == ticket.keys(), words)
    return seen


def random_masks(returned: Returned) -> Seen:
    """Random masks have the ticket's count in every layer, and no two are alike."""
    seen = Seen()
    for number, arms in enumerate(returned.replicates):
        earlier: list[Arrays] = []
        for cell in arms:
            mask = returned.mask(number, cell)
            ticket = returned.mask(number, (*mask_origin(cell[0], cell[1], ""), 0))
            if ARMS[cell[0]].mask != "random" or mask is None or ticket is None:
                continue
            wrong = next((n for n, kept in ticket.items() if n in mask and mask[n].sum() != kept.sum()), None)
            seen.check(wrong is None, f"{place(number, cell)} keeps {int(mask[wrong].sum())} of {wrong}, "
                       f"the ticket {int(ticket[wrong].sum())}" if wrong else "")  # fmt: skip
            alike = any(
                all(n in other and np.array_equal(other[n], m) for n, m in mask.items())
                for other in [ticket, *earlier]
            )
            seen.check(not alike, f"the mask of {place(number, cell)} is the ticket's or another draw's")
            earlier.append(mask)
    return seen


def fresh(returned: Returned) -> Seen:
    """Reinitialised weights are new, and as large as initial ones."""
    seen = Seen()
    spread: dict[str, dict[str, list[tuple[int, float, int, float]]]] = {}
    for number, cell, record in returned.every():
        dense = returned.replicates[number].get(("dense", 0, 0))
        mask, start = returned.mask(number, cell), record.result.start
        if (
            ARMS[cell[0]].weights != "fresh"
            or not dense
            or dense.result.start is None
            or not mask
            or start is None
        ):
            continue
        initial = dense.result.start
        chosen = [n for n in mask if n in start and n in initial]
        total = sum(int(mask[n].sum()) for n in chosen)
        new = sum(int((start[n] != initial[n])[mask[n]].sum()) for n in chosen)
        seen.check(
            new >= ALL_NEW * total, f"{total - new} of {total} weights of {place(number, cell)} are not new"
        )
        for n in chosen:
            own = start[n][mask[n]].astype(np.float64)
            row = (own.size, rms(own), initial[n].size, rms(initial[n]))
            spread.setdefault(f"{cell[0]}@{cell[1]}", {}).setdefault(n, []).append(row)
    for name, matrices in spread.items():
        rows = {n: np.array(each).T for n, each in matrices.items()}
        gate = same_scale(
            name, {n: (r[0], r[1]) for n, r in rows.items()}, {n: (r[2], r[3]) for n, r in rows.items()}
        )
        seen.check(gate.passed, f"{name}: {gate.detail}")
    return seen


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def magnitude(returned: Returned) -> Seen:
    """Pruned weights are the smallest of the trained network they were pruned from, and none comes back."""
    seen, pruning = Seen(), returned.experiment.pruning
    if pruning.criterion != "magnitude" or pruning.unit != "weight":
        return seen
    for number, cell, mask in returned.masks():
        arm, level, _ = cell
        if ARMS[arm].mask not in ("iterative", "one-shot"):
            continue
        above = (arm, level - 1, 0) if ARMS[arm].mask == "iterative" and level > 1 else ("dense", 0, 0)
        record = returned.replicates[number].get(above)
        if record is None or record.result.weights is None or ARMS[arm].follows:
            continue
        trained, before = record.result.weights, returned.mask(number, above) or {}
        free = [n for n in mask if n in trained and n in returned.prunable and not stays_whole(n, pruning)]
        wrong = back = 0
        for group in [free] if pruning.scope == "global" else [[n] for n in free]:
            size = np.concatenate([np.abs(trained[n]).ravel() for n in group] or [np.empty(0)])
            stays = np.concatenate([mask[n].ravel() for n in group] or [np.empty(0, bool)])
            had = np.concatenate(
                [before.get(n, np.ones_like(mask[n])).ravel() for n in group] or [np.empty(0, bool)]
            )
            back += int((stays & ~had).sum())
            if stays.any():
                wrong += int((size[had & ~stays] > size[stays].min()).sum())
        seen.check(not wrong, f"{wrong} pruned weights of {place(number, cell)} were larger than one that stayed")
        seen.check(not back, f"{back} weights of {place(number, cell)} came back after they were pruned")
    return seen


def seeds(returned: Returned) -> Seen:
    """Replicates start, and end, with weights of their own."""
    seen = Seen()
    for kind in ("start", "weights"):
        states: list[tuple[int, Arrays]] = []
        for number, arms in enumerate(returned.replicates):
            dense = arms.get(("dense", 0, 0))
            state = getattr(dense.result, kind) if dense else None
            if state is None:
                continue
            own = {name: state[name] for name in returned.prunable if name in state}
            twin = next(
                (n for n, other in states if all(k in other and np.array_equal(own[k], other[k]) for k in own)),
                None,
            )
            when = "starts" if kind == "start" else "ends"
            seen.check(twin is None, f"dense of replicate {number} {when} with the weights of replicate {twin}")
            states.append((number, own))
    seen.looked = seen.looked if len(returned.replicates) > 1 else 0
    return seen


def grid(returned: Returned) -> Seen:
    """A test accuracy is a number of correct answers over the number of examples."""
    seen = Seen()
    for number, cell, record in returned.every():
        step = 100 / record.measured["test_examples"]
        value = record.result.final_test_accuracy
        if np.isfinite(value):
            off = abs(value / step - round(value / step)) * step
            seen.check(off <= ON_GRID, f"{value:.6g} % of {place(number, cell)} is no number of "
                       f"{record.measured['test_examples']:.0f} examples")  # fmt: skip
    return seen


def test_accuracy(returned: Returned) -> Seen:
    """The final test accuracy is that of the weights at the end."""
    seen = Seen()
    for number, cell, record in returned.every():
        said, ours = record.result.final_test_accuracy, record.measured.get("test_accuracy")
        if ours is not None and np.isfinite(said):
            near = NEAR * 100 / record.measured["test_examples"]
            words = f"{place(number, cell)} says {said:.4g} %, its weights give {ours:.4g} %"
            seen.check(abs(said - ours) <= near + ON_GRID, words)
    return seen


def validation_accuracy(returned: Returned) -> Seen:
    """The last point of the validation curve is that of the weights at the end, on the validation set."""
    seen, last = Seen(), returned.experiment.training.iterations
    for number, cell, record in returned.every():
        curve, ours = record.result.validation_accuracy, record.measured.get("validation_accuracy")
        if curve and last in curve and ours is not None and np.isfinite(curve[last]):
            near = NEAR * 100 / record.measured["validation_examples"]
            words = f"{place(number, cell)} says {curve[last]:.4g} %, its weights give {ours:.4g} %"
            seen.check(abs(curve[last] - ours) <= near + ON_GRID, words)
    return seen


def early_stop(returned: Returned) -> Seen:
    """The early stop is the first smallest validation loss."""
    seen = Seen()
    for number, cell, record in returned.every():
        losses, stop = record.result.validation_loss, record.result.early_stop_iteration
        if losses and stop is not None and all(map(np.isfinite, losses.values())):
            wanted = min(sorted(losses), key=lambda at: losses[at])
            seen.check(stop == wanted, f"{place(number, cell)} stops at {stop:g}, its validation loss at {wanted}")
    return seen


def signs(returned: Returned) -> Seen:
    """Training moves weights of both signs."""
    seen = Seen()
    pairs: dict[str, list[np.ndarray]] = {}
    for number, cell, record in returned.every():
        start, end, mask = record.result.start, record.result.weights, returned.mask(number, cell)
        if start is None or end is None or ARMS[cell[0]].learns != "weights":
            continue
        rows = np.zeros(4)
        for n in returned.prunable:
            if n not in start or n not in end:
                continue
            alive = (mask or {}).get(n, np.ones_like(start[n], dtype=bool))
            still = start[n] == end[n]
            for i, side in enumerate((start[n] < 0, start[n] > 0)):
                rows[2 * i : 2 * i + 2] += (alive & side & still).sum(), (alive & side).sum()
        pairs.setdefault(f"{cell[0]}@{cell[1]}", []).append(rows)
    for name, each in pairs.items():
        still_n, all_n, still_p, all_p = np.sum(each, axis=0)
        negative, positive = still_n / max(all_n, 1), still_p / max(all_p, 1)
        larger, smaller = max(negative, positive), min(negative, positive)
        words = f"in {name} {100 * negative:.0f} % of the negative weights never moved"
        words += f", and {100 * positive:.0f} % of the positive ones"
        seen.check(larger < LEAST_UNMOVED or larger < TIMES * smaller, words)
    return seen


def rates(returned: Returned) -> Seen:
    """Every arm was trained with the recipe's learning rates."""
    seen = Seen()
    for number, cell, record in returned.every():
        if record.result.rates is not None:
            given, wanted = sum(record.result.rates), rate_total(returned.experiment, cell[0])
            words = f"the rates of {place(number, cell)} add up to {given:.4g}, the recipe's to {wanted:.4g}"
            seen.check(abs(given - wanted) <= RATES_AGREE * wanted, words)
    return seen


# Where arms are of a kind that was not asked for, there is nothing to look at and nothing to say.
OF: Mapping[str, Callable[[str], bool]] = {
    "counts": lambda arm: arm != "dense",
    "reset": lambda arm: arm != "dense" and ARMS[arm].weights == "init",
    "buffers": lambda arm: arm != "dense",
    "prunable-set": lambda arm: arm != "dense",
    "magnitude": lambda arm: ARMS[arm].mask in ("iterative", "one-shot"),
    "same-mask": lambda arm: ARMS[arm].mask == "ticket",
    "fresh-weights": lambda arm: ARMS[arm].weights == "fresh",
    "random-mask": lambda arm: ARMS[arm].mask == "random",
}
INVARIANTS: tuple[tuple[str, Look, tuple[str, ...]], ...] = (
    ("prunable-set", names, ("M5",)),
    ("counts", counts, ("M6", "M5", "M11")),
    ("zeros", zeros, ("M2",)),
    ("reset", reset, ("M3",)),
    ("buffers", buffers, ("M4", "M3")),
    ("magnitude", magnitude, ()),
    ("same-mask", worn, ("M10",)),
    ("fresh-weights", fresh, ()),
    ("random-mask", random_masks, ("M11",)),
    ("seeds", seeds, ("M9",)),
    ("grid", grid, ("M7",)),
    ("test-accuracy", test_accuracy, ("M7", "M8")),
    ("validation-accuracy", validation_accuracy, ("M8", "M7")),
    ("early-stop", early_stop, ("M8",)),
    ("both-signs", signs, ("M1",)),
    ("rates", rates, ("M12", "M13")),
)


def invariants(returned: Returned) -> list[Invariant]:
    """All invariants of the arms that were asked for, in the order of the list."""
    arms = {cell[0] for _, cell, _ in returned.every()}
    about = [row for row in INVARIANTS if any(map(OF.get(row[0], bool), arms))]
    return [outcome(name, look, look(returned), bugs) for name, look, bugs in about]


def outcome(name: str, look: Look, seen: Seen, bugs: tuple[str, ...]) -> Invariant:
    """One invariant, with what was seen in words."""
    says = " ".join((look.__doc__ or "").split())
    if not seen.looked:
        return Invariant(name, says, "not looked at", "Nothing was returned that shows it.", bugs)
    if seen.broken:
        first = seen.broken[0]
        return Invariant(name, says, "broken", f"{len(seen.broken)} of {seen.looked}: {first}.", bugs)
    return Invariant(name, says, "holds", f"{seen.looked} looks.", bugs)
