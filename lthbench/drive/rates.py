"""`lthbench plan --measure`: every experiment of a run timed on this machine, and the rates kept."""

from collections.abc import Iterator

from lthbench.data.cache import cache_root
from lthbench.data.errors import DataError
from lthbench.drive import cost
from lthbench.drive.speed import on_gpu
from lthbench.plan.run import Run


def measured(run: Run) -> Iterator[str]:
    """Measure and remember; yield the lines to commit, and in the end where they are kept."""
    cache, block_of = cache_root(), run.registry.suites[run.suite].block_of
    units, kept = run.units(), False
    for name in dict.fromkeys(unit.experiment.id for unit in units):
        widest = max(unit.networks for unit in units if unit.experiment.id == name)
        block = block_of(name)
        widths = sorted({block, widest}) if on_gpu(run.device) else [block]  # on a CPU one is like the other
        try:
            rate = cost.measure(run.registry.experiments[name], widths, run.device, cache)
        except DataError as error:
            yield f"{name}: not measured: {error}"
            continue
        cost.remember([rate], cache / "rates.yaml")
        kept = True
        yield cost.to_yaml([rate]).strip()
    if kept:
        yield f"kept in {cache / 'rates.yaml'}; to share them, add the lines above to lthbench/drive/rates.yaml"
