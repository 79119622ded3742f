"""`lthbench run SUITE --rehearse`: a whole suite at two iterations, to see that all of it runs, for nothing else.

Every experiment of the suite is trained with the network it names (a VGG of an eighth of the width), on a few
real images, through the judge and the report. Its numbers mean nothing. So a rehearsal has a name and a folder of
its own, the word REHEARSED in the place of each verdict, and a banner; experiments are renamed, so that no command
takes its tables for those of the suite.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lthbench.claims.load import Registry
from lthbench.claims.schema import Line, Registration, Suite, parse_cell
from lthbench.drive import stages
from lthbench.files import write_text
from lthbench.judging.stored import REHEARSAL
from lthbench.judging.verdict import ClaimVerdict, LineResult, Verdicts, to_json
from lthbench.plan.run import Run
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results.sums import write_summed

ITERATIONS, BATCH, REPLICATES, DEEPEST = 2, 2, 2, 2
FEW: dict[str, Any] = {"train": 40, "test": 20, "validation": 10}  # examples
SIDE, CLASSES, PER_CLASS = 32, 4, 10  # of the images that stand for a folder of images
WORD = "REHEARSED"
BANNER = f"A rehearsal at {ITERATIONS} iterations: no number below means anything, and nothing was decided."
DECIDED = re.compile(
    r"(data:[^\"')\s]+)|\b(?:PASS|FAIL)(?:ED|ES|S)?\b|\b(?:NOT )?SUPPORTED HERE\b"
)  # not inside a picture
READ = {  # what a page says of blocked claims, and what is so in a rehearsal
    "BLOCKED": WORD,
    "blocked by a failed check": "rehearsed and not decided",
    "a sanity gate failed, so the numbers mean nothing": "the numbers mean nothing",
    "The words say what these replicates show here, and decide no claim": "This is a rehearsal, and shows nothing",
    "no power was promised, and the words say what these replicates show here": "a rehearsal has no power",
    "Failed or open": "Rehearsed",
    "Blocked: rehearsal of": "Rehearsal of",
    "blocked: rehearsal of": "rehearsal of",
}
STYLE = (
    "position:sticky;top:0;z-index:9;background:#a40000;color:#fff;padding:1em;font-weight:bold"  # stays in view
)


def rehearse(run: Run, tell: Callable[[str], None]) -> Path:
    """Train, judge and report the shrunk suite below `rehearsals/` of the run's folder; returns its page.

    Tensors are deleted at the end, records stay. Raises UserError where anything does not run.
    """
    small = rehearsal_of(run)
    from lthbench.data.cache import cache_root
    from lthbench.drive.execute import run_chunk

    for chunk in small.first_chunks():
        tell(f"rehearsing {chunk.id}: {len(chunk.units)} units")
        run_chunk(chunk.units, small.results, cache_root(), small.device, lambda unit, how: None)
    stages.tidy(small)
    verdicts = undecided(stages.judged(small))
    write_summed(small.scope_folder / "verdicts.json", to_json(verdicts))
    stages.report(small)
    for path in sorted(small.report.rglob("*")):
        if path.suffix in (".html", ".md", ".xml", ".svg", ".json"):
            write_text(path, without_decisions(path))
    for path in small.results.rglob("*.safetensors"):
        path.unlink()
    return small.report / "index.html"


def rehearsal_of(run: Run) -> Run:
    """The same claims, shrunk, in a folder of their own."""
    out = run.out / "rehearsals"
    planned = {unit.experiment.id for chunk in run.first_chunks() for unit in chunk.units}
    images = tiny_folder(out / "images")
    experiments = {e.id: e for e in (shrunk(run.registry.experiments[name], images) for name in sorted(planned))}
    claims = {
        claim.id: claim.model_copy(update={"suites": {REHEARSAL + run.suite: small_registration(own)}})
        for claim, own in run.registry.registrations(run.suite)
        if not run.claims or claim.id in run.claims
    }
    suite = small_suite(run.registry.suites[run.suite], list(claims))
    registry = Registry(claims, {suite.id: suite}, experiments)
    return Run(registry, suite.id, run.seed, out=out, device=run.device)


def shrunk(experiment: Experiment, images: Path) -> Experiment:
    """Its network, optimizer and pruning, on a few examples for a few iterations; under another name."""

    def renamed(name: str) -> str:
        return REHEARSAL + name if name else ""

    return replace(
        experiment,
        id=renamed(experiment.id),
        network=light(experiment.network),
        weights=None if experiment.network.kind.startswith("vgg-") else experiment.weights,
        title=f"rehearsal of {experiment.title}",
        data=few(experiment.data, images),
        training=short(experiment.training),
        pruning=early(experiment.pruning),
        draws=dict.fromkeys(experiment.draws, 2),
        barrier_points=3,
        paired_with=renamed(experiment.paired_with),
        mask_from=renamed(experiment.mask_from),
    )


def light(network: Network) -> Network:
    """A VGG is narrowed: twenty million weights take long to store, whatever the number of iterations."""
    return replace(network, width=network.width / 8) if network.kind.startswith("vgg-") else network


def few(data: DataSpec, images: Path) -> DataSpec:
    """A few of its examples; in the place of a folder of images a tiny one."""
    if data.name == "image_folder":
        return replace(data, path=str(images), size=SIDE, train=None, test=None, validation=FEW["validation"])
    return data if data.name in ("npz", "digits") else replace(data, **FEW)  # those have one size


def short(training: Training) -> Training:
    """Two iterations: one of warm-up, where there is warm-up, and one at each rate."""
    return replace(
        training,
        batch=BATCH,
        iterations=ITERATIONS,
        evaluate_every=1,
        warmup=min(training.warmup, 1),
        milestones=(1,) if training.milestones else (),
        pad_crop=min(training.pad_crop, SIDE // 8),
    )


def early(pruning: Pruning) -> Pruning:
    """Rewound to the first iteration, where it is rewound."""
    return replace(pruning, rewind=min(pruning.rewind, 1))


def small_registration(registration: Registration) -> Registration:
    """The same contrasts of few replicates at few levels, of the renamed experiments."""
    own = registration.experiment

    def side(value: float | str) -> float | str:
        if not isinstance(value, str):
            return value
        cell = parse_cell(value, own)
        return f"{REHEARSAL}{cell.experiment}:{cell.arm}@{min(cell.level, DEEPEST)}"

    def small(line: Line) -> Line:
        sides = {name: side(getattr(line.contrast, name)) for name in ("minuend", "subtrahend")}
        return line.model_copy(update={"contrast": line.contrast.model_copy(update=sides)})

    return registration.model_copy(
        update={
            "title": f"rehearsal of: {registration.title}",
            "experiment": REHEARSAL + own,
            "reduced_scale": True,
            "replicates": REPLICATES,
            "power": None,
            "hypotheses": [small(line) for line in registration.hypotheses],
            "beside": [small(line) for line in registration.beside],
        }
    )


def small_suite(suite: Suite, claims: list[str]) -> Suite:
    """The suite under a name that no command knows, without bands that two iterations cannot reach."""
    return suite.model_copy(
        update={
            "id": REHEARSAL + suite.id,
            "title": f"{WORD}, NO RESULTS - {suite.title}",
            "says": BANNER,
            "claims": claims,
            "block": REPLICATES,
            "blocks": {},
            "chances": {},
            "chance": 100 / CLASSES,
            "dense_bands": {},
            "first_look": None,
            "exploratory": True,
        }
    )


def undecided(verdicts: Verdicts) -> Verdicts:
    """The verdicts without a decision in them: each claim is blocked, for this is a rehearsal."""

    def line(result: LineResult) -> LineResult:
        return replace(result, decision="BLOCKED", settle=None)

    def claim(judged: ClaimVerdict) -> ClaimVerdict:
        return replace(
            judged,
            verdict="BLOCKED",
            why=BANNER,
            settle=None,
            hypotheses=[line(each) for each in judged.hypotheses],
            beside=[line(each) for each in judged.beside],
        )

    return replace(verdicts, claims=[claim(each) for each in verdicts.claims], exit_code=4)


def without_decisions(path: Path) -> str:
    """The text of a file of the report with the banner, and without the words of decisions."""
    text = DECIDED.sub(lambda match: match[1] or WORD, path.read_text(encoding="utf-8"))
    if path.suffix in (".html", ".md", ".svg"):
        for said, so in READ.items():
            text = text.replace(said, so)
    if path.suffix == ".html":
        return re.sub(r"(<main[^>]*>)", rf'\1<p style="{STYLE}">{BANNER}</p>', text, count=1)
    return f"**{BANNER}**\n\n{text}" if path.suffix == ".md" else text


def tiny_folder(folder: Path) -> Path:
    """A folder of images in classes, `train` and `val`, of noise around a grey of each class; made once."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for part in ("train", "val"):
        for label in range(CLASSES):
            place = folder / part / f"class-{label}"
            place.mkdir(parents=True, exist_ok=True)
            for index in range(PER_CLASS):
                pixels = generator.normal(40 + 50 * label, 20, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.png")
    return folder
