"""A suite as a variant: `full-core-bf16` is suite full-core with every experiment at bfloat16.

It is made from the suite's files whenever it is named; nobody copies them. Claims, contrasts, margins, tests and n
are those registered for the suite. At this precision nothing was registered, so the variant is exploratory: it has
words of its own for its verdicts, and results and reports in folders of its own.
"""

from collections.abc import Mapping
from dataclasses import replace

from lthbench.claims.load import Registry, cells, names_its_variant
from lthbench.claims.schema import Line, Registration, Suite
from lthbench.errors import UserError
from lthbench.recipe.experiment import Experiment
from lthbench.recipe.variants import SAYS, VARIANTS, named, varied
from lthbench.words import choices


def of_name(registry: Registry, name: str) -> tuple[str, str]:
    """The suite and the variant that a name is made of; the name itself and no variant where it is none."""
    for variant in VARIANTS:
        suite = name.removesuffix(f"-{variant}")
        if name not in registry.suites and suite != name and suite in registry.suites:
            return suite, variant
    return name, ""


def with_variant(registry: Registry, name: str) -> Registry:
    """The registry with the suite of that name, where it is a variant's; else as it is. Raises UserError."""
    suite, variant = of_name(registry, name)
    return derived(registry, suite, variant) if variant else registry


def name_of(suite: str, variant: str) -> str:
    """What a suite is called as a variant; itself where no variant is asked for. Raises UserError."""
    if variant and variant not in VARIANTS:
        raise UserError(f"--variant {variant}: unknown; {choices(variant, VARIANTS)}")
    return named(suite, variant) if variant else suite


def derived(registry: Registry, suite: str, variant: str) -> Registry:
    """The registry with a suite as a variant, and with its experiments and registrations."""
    if not registry.suites[suite].trains:
        raise UserError(f"suite '{suite}' trains nothing, so it has no variants")
    experiments = {name: changed for name, e in registry.experiments.items() if (changed := varied(e, variant))}
    claims = {
        claim.id: claim.model_copy(update={"suites": claim.suites | {named(suite, variant): own}})
        for claim, registration in registry.registrations(suite)
        if (own := registration_of(registration, variant, experiments, registry.experiments)) is not None
    }
    if not claims:
        raise UserError(f"suite '{suite}' has nothing to train as {variant}: its networks see no images")
    whole = suite_of(registry.suites[suite], variant, list(claims))
    return replace(
        registry,
        claims=registry.claims | claims,
        suites=registry.suites | {whole.id: whole},
        experiments=registry.experiments | {each.id: each for each in experiments.values()},
    )


def suite_of(suite: Suite, variant: str, claims: list[str]) -> Suite:
    """The suite, without bands of accuracy, which belong to the recipes they were measured on."""
    return suite.model_copy(
        update={
            "id": named(suite.id, variant),
            "title": f"{suite.title} ({variant} variant)",
            "says": f"The {variant} variant of suite {suite.id}: {SAYS[variant]}. {suite.says}",
            "claims": claims,
            "dense_bands": {},
            "exploratory": True,
            "registered": f"Claims, margins, tests and n are those that suite {suite.id} registers; nothing was "
            f"registered for its {variant} variant, whose verdicts do not stand for it.",
            "blocks": {named(name, variant): size for name, size in suite.blocks.items()},
            "chances": {named(name, variant): chance for name, chance in suite.chances.items()},
        }
    )


def registration_of(
    registration: Registration,
    variant: str,
    experiments: Mapping[str, Experiment],
    plain: Mapping[str, Experiment],
) -> Registration | None:
    """The same contrasts of the variant's experiments; None where one of those has no such variant."""
    used = {cell.experiment for cell in cells(registration)} | {registration.experiment}
    used |= {plain[name].mask_from for name in used} - {""}
    if not used <= experiments.keys():
        return None
    own = registration.model_copy(
        update={
            "experiment": named(registration.experiment, variant),
            "power": None,
            "hypotheses": [line_of(line, variant) for line in registration.hypotheses],
            "beside": [line_of(line, variant) for line in registration.beside],
        }
    )
    return names_its_variant(own, {each.id: each for each in experiments.values()})


def line_of(line: Line, variant: str) -> Line:
    """A line whose cells are the variant's; a cell without an experiment is of the registration's own."""

    def side(value: float | str) -> float | str:
        experiment, other, cell = str(value).rpartition(":")
        return f"{named(experiment, variant)}:{cell}" if other else value

    sides = {name: side(getattr(line.contrast, name)) for name in ("minuend", "subtrahend")}
    return line.model_copy(update={"contrast": line.contrast.model_copy(update=sides)})
