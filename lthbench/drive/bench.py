"""How fast a device trains, beside what its memory and arithmetic allow: `python -m lthbench.drive.bench PLAN`.

For each experiment of a plan: stacks of several widths of its network, on noise of its data set's shape, trained
by the loop that trains everything. What an iteration moves and multiplies is counted, operation by operation; how
fast the device copies and multiplies is measured. Needs torch, numpy and safetensors alone; `lthbench bench SUITE`
is the same where everything is.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lthbench.drive.probe import SETS, begun
from lthbench.errors import PASS, OutOfMemory, UserError, say
from lthbench.recipe.experiment import Experiment
from lthbench.recipe.variants import VARIANTS, varied
from lthbench.words import choices

WIDTHS = (1, 5, 15, 60)
WARM = 6  # iterations before the clock runs: warm-ups, and the recording of graphs
ITERATIONS = 2000  # at most
SECONDS = 0.5  # of timing that are enough


@dataclass(frozen=True)
class Limits:
    """A device at its best: bytes copied, and operations of float32 products as trained, a second.

    `bf16`: operations of products of bfloat16; 0 where none were asked for.
    """

    device: str
    torch: str
    bytes: float
    operations: float
    bf16: float = 0.0


@dataclass(frozen=True)
class Row:
    """One stack: `ms` of a network's iteration; `bytes` and `operations` are those of one network's iteration.

    `bf16`: whether its products are of bfloat16.
    """

    experiment: str
    networks: int
    how: str
    ms: float
    bytes: float
    operations: float
    bf16: bool = False

    def least_ms(self, limits: Limits) -> tuple[float, float]:
        """What moving its bytes takes at the least, and what its products do."""
        products = limits.bf16 if self.bf16 and limits.bf16 else limits.operations
        return 1000 * self.bytes / limits.bytes, 1000 * self.operations / products


def limits(device: Any, bf16: bool = False) -> Limits:
    """Measure the device's own limits: a copy that fits no cache, a product that fills it, perhaps of bfloat16."""
    import torch

    from lthbench.results.provenance import called

    gpu = device.type == "cuda"
    a = torch.zeros(2**28 if gpu else 2**25, device=device)
    b = torch.empty_like(a)
    side = 8192 if gpu else 1024
    x, y = torch.randn(side, side, device=device), torch.randn(side, side, device=device)
    z = torch.empty_like(x)
    copying, product = seconds_of(lambda: b.copy_(a), device), seconds_of(lambda: torch.mm(x, y, out=z), device)
    rounded = 0.0
    if bf16:
        x, y, z = x.bfloat16(), y.bfloat16(), z.bfloat16()
        rounded = 2 * side**3 / seconds_of(lambda: torch.mm(x, y, out=z), device)
    return Limits(called(device), torch.__version__, 2 * a.numel() * 4 / copying, 2 * side**3 / product, rounded)


def seconds_of(run: Callable[[], object], device: Any) -> float:
    """Seconds of one call, of as many as fill the time; the first is not counted."""
    run()
    settle(device)
    done, size, started = 0, 1, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        for _ in range(size):
            run()
        settle(device)
        done, size = done + size, 2 * size
    return (time.perf_counter() - started) / done


def settle(device: Any) -> None:
    """Wait until a GPU has done what was asked of it."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def rows(experiments: Iterable[Experiment], widths: Sequence[int], device: Any) -> Iterator[Row]:
    """Each experiment in stacks of these widths; on a GPU recorded as a graph, and launched from the host."""
    for experiment in experiments:
        for networks in widths:
            for how in ("graph", "host") if device.type == "cuda" else ("host",):
                yield measured(experiment, networks, how, device)


def measured(experiment: Experiment, networks: int, how: str, device: Any) -> Row:
    """One stack. Raises OutOfMemory, with its name, where it does not fit."""
    import torch

    from lthbench.drive.execute import enough_memory
    from lthbench.training import loop
    from lthbench.training.graph import captured

    with torch.no_grad(), enough_memory(f"{experiment.id} ({networks} networks)"):
        course = begun(experiment, networks, device, loop, ITERATIONS)
        step = course.step
        if isinstance(step, captured) and how == "host":
            step = step.eager
        moved, multiplied = counted(course)
        seconds = seconds_of_step(step, device)
    each = (1000 * seconds / networks, moved / networks, multiplied / networks)
    return Row(experiment.id, networks, how, *each, bf16=experiment.training.precision == "bf16")


def seconds_of_step(step: Any, device: Any) -> float:
    """Seconds of one iteration, of as many as fill the time; iteration 0 is done."""
    done = 1
    while done < WARM:
        done += step.ahead(done, ITERATIONS - done)
    settle(device)
    first, size, started = done, 1, time.perf_counter()
    while time.perf_counter() - started < SECONDS and done < ITERATIONS:
        end = min(ITERATIONS, done + size)
        while done < end:
            done += step.ahead(done, ITERATIONS - done)
        settle(device)
        size *= 2
    return (time.perf_counter() - started) / (done - first)


def counted(course: Any) -> tuple[float, float]:
    """Bytes that the operations of one step read and write, and operations of its products; runs iteration 0.

    Of the step as it is written: where a compiler fuses operations, less is moved.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    products = FlopCounterMode(display=False)
    with torch.no_grad(), torch.compiler.set_stance("force_eager"), products, traffic() as bytes_of:
        course.step.one(0, float(course.task.rates[0]))
    return float(sum(bytes_of)), float(products.get_total_flops())


def traffic() -> Any:
    """A mode of torch's that gives the bytes of each operation: what it reads and writes, once each.

    What is gathered out of a data set counts as much as comes out.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Traffic(TorchDispatchMode):
        def __enter__(self) -> list[int]:
            super().__enter__()
            self.bytes: list[int] = []
            return self.bytes

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = function(*args, **(kwargs or {}))
            schema = function._schema
            if any(each.alias_info is not None and not each.alias_info.is_write for each in schema.returns):
                return out  # a view
            if "empty" in schema.name:
                return out  # nothing is written
            outs = [each for each in tree_leaves(out) if isinstance(each, torch.Tensor)]
            given = dict(zip((argument.name for argument in schema.arguments), args, strict=False)) | (
                kwargs or {}
            )
            ins = tensors_in([value for name, value in given.items() if name != "out"])
            if schema.name in ("aten::index_select", "aten::gather", "aten::index"):
                ins = outs
            written = outs or tensors_in(
                [given[argument.name] for argument in schema.arguments if changes(argument)]
            )
            self.bytes += [size_of(each) for each in [*ins, *written]]
            return out

    def tensors_in(values: Any) -> list[torch.Tensor]:
        return [each for each in tree_leaves(values) if isinstance(each, torch.Tensor)]

    def changes(argument: Any) -> bool:
        """Whether an operation writes to an argument; of gradients fused optimizers only say so."""
        return argument.alias_info is not None and argument.alias_info.is_write and argument.name != "grads"

    def size_of(tensor: Any) -> int:
        return int(min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()))

    return Traffic()


def table(timed: Sequence[Row], of: Limits) -> Iterator[str]:
    """The numbers in columns."""
    best = f"copies {of.bytes / 1e9:,.0f} GB/s, multiplies {of.operations / 1e12:.3g} TFLOP/s"
    best += f" ({of.bf16 / 1e12:.3g} in bfloat16)" if of.bf16 else ""
    yield f"{of.device}, torch {of.torch}: {best}{switches()}"
    heads = ("experiment", "networks", "step", "us", "a second", "by bytes", "by products", "of the limit")
    lines = [heads]
    for row in timed:
        by_bytes, by_products = row.least_ms(of)
        lines.append(
            (
                row.experiment,
                str(row.networks),
                row.how,
                f"{1000 * row.ms:.3g}",
                f"{1000 / row.ms:,.0f}",
                f"{1000 / by_bytes:,.0f}",
                f"{1000 / by_products:,.0f}",
                f"{100 * max(by_bytes, by_products) / row.ms:.0f} %",
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.ljust(width) if head in ("experiment", "step") else cell.rjust(width)
            for head, cell, width in zip(heads, line, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()
    yield "us: one network's iteration; a second: such iterations, and the most that its bytes and products allow"


def switches() -> str:
    """What was asked for besides the usual step."""
    from lthbench.training.device import compiler, fuser
    from lthbench.training.graph import steps_together

    together = f"; {steps_together()} iterations in a graph" if steps_together() > 1 else ""
    compiled = f"; modules compiled by {compiler()}" if compiler() else ""
    return together + compiled + (f"; mask and Adam as one by {fuser()}" if fuser() else "")


def bench(
    experiments: Mapping[str, Experiment], widths: Sequence[int], device: str, file: Path | None
) -> Iterator[str]:
    """Measure all, yield lines to print, and write the numbers to a file. Raises UserError for no such device."""
    from lthbench.training.device import prepare

    where = prepare(device)
    known = {name: each for name, each in experiments.items() if each.data.name in SETS}
    for name in experiments.keys() - known.keys():
        yield f"{name} is not measured: nothing is known of the shape of its data"
    bf16 = any(each.training.precision == "bf16" for each in known.values())
    of, timed = limits(where, bf16), list[Row]()
    wanted = rows(known.values(), widths, where)
    while True:
        try:
            timed.append(next(wanted))
        except StopIteration:
            break
        except OutOfMemory as error:
            yield str(error)
            break
    yield from table(timed, of)
    if file is not None:
        content = {"limits": asdict(of), "rows": [asdict(row) for row in timed]}
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def with_variants(experiments: Mapping[str, Experiment], text: str) -> dict[str, Experiment]:
    """Experiments, each followed by its variants (`bf16,channels-last`), as far as it has them. UserError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in VARIANTS:
            raise UserError(f"--variants {text!r}: no variant '{name}'; {choices(name, VARIANTS)}")
    several = [
        each for plain in experiments.values() for each in (plain, *(varied(plain, name) for name in names))
    ]
    return {each.id: each for each in several if each is not None}


def parse_widths(text: str) -> list[int]:
    """Sizes of stacks from `1,5,15`. Raises UserError for anything else."""
    try:
        widths = [int(part) for part in text.split(",")]
    except ValueError:
        widths = []
    if not widths or min(widths) < 1:
        raise UserError(f"--widths {text!r}: give sizes of stacks, such as 1,5,15,60")
    return widths


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the experiments of a plan; returns the exit code."""
    options = argparse.ArgumentParser(
        prog="python -m lthbench.drive.bench", description=(__doc__ or "").partition(":")[0] + "."
    )
    options.add_argument("plan", type=Path, metavar="PLAN", help="a file of `lthbench plan SUITE --write FILE`")
    options.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options.add_argument("--widths", default=",".join(map(str, WIDTHS)), help="sizes of stacks, %(default)s")
    options.add_argument("--only", metavar="TEXT", default="", help="experiments that have this in their name")
    options.add_argument("--variants", metavar="NAMES", default="", help=f"beside each: {', '.join(VARIANTS)}")
    options.add_argument("--json", metavar="FILE", type=Path, help="write the numbers to a file")
    given = options.parse_args(arguments)
    from lthbench.plan import planfile

    try:
        units = planfile.read(given.plan).units
        named = {unit.experiment.id: unit.experiment for unit in units if given.only in unit.experiment.id}
        named = with_variants(named, given.variants)
        for line in bench(named, parse_widths(given.widths), given.device, given.json):
            print(line, flush=True)
    except UserError as error:
        say(str(error))
        return error.code
    return PASS


if __name__ == "__main__":
    sys.exit(main())
