"""The section "Curves": every experiment that a claim of the report looks at."""

from dataclasses import dataclass

from lthbench.claims.load import cells
from lthbench.report.figures.density import density_plot
from lthbench.report.figures.early_stop import early_stop_plot
from lthbench.report.figures.inputs import inputs_plot
from lthbench.report.figures.learning import learning_plot
from lthbench.report.figures.line import line_plot
from lthbench.report.figures.masks import layers_plot
from lthbench.report.figures.style import Picture, slug
from lthbench.report.figures.training import training_plot
from lthbench.report.given import given_pictures, released_rows
from lthbench.report.section import Material, Part
from lthbench.report.sentences import recipe_rows
from lthbench.results.inputs import shape_of


@dataclass(frozen=True)
class ExperimentPart:
    """One experiment's curves."""

    id: str
    title: str
    anchor: str
    claims: list[str]
    rows: list[tuple[str, str]]  # what it is, in words
    pictures: list[Picture]


@dataclass(frozen=True)
class CurvesPart(Part):
    """The whole section."""

    experiments: list[ExperimentPart]

    @property
    def pictures(self) -> list[Picture]:
        """Those of every experiment."""
        return [picture for experiment in self.experiments for picture in experiment.pictures]


def curves_part(material: Material) -> CurvesPart | None:
    """The section; None where no experiment was measured."""
    experiments = own_experiments(material) if material.own else given_experiments(material)
    return CurvesPart(experiments) if experiments else None


def own_experiments(material: Material) -> list[ExperimentPart]:
    """The experiments in the table that a claim of the report looks at."""
    registry, verdicts, tidy = material.registry, material.verdicts, material.tidy
    registrations = {v.id: registry.claims[v.id].suites[verdicts.suite] for v in verdicts.claims}
    users = {claim: {cell.experiment: None for cell in cells(r)} for claim, r in registrations.items()}
    measured = set(tidy["experiment"])
    experiments = []
    for name in dict.fromkeys(name for names in users.values() for name in names if name in measured):
        deciding = [
            (cell.arm, cell.level)
            for registration in registrations.values()
            for hypothesis in registration.hypotheses
            for cell in hypothesis.contrast.cells(registration.experiment)
            if cell.experiment == name and cell.level
        ]
        pictures = [
            training_plot(tidy, name),
            early_stop_plot(tidy, name),
            density_plot(tidy, name),
            learning_plot(tidy, name, deciding),
            layers_plot(tidy, name),
            inputs_plot(material.inputs, name, shape_of(registry.experiments[name])),
            line_plot(tidy, name),
        ]
        experiments.append(
            ExperimentPart(
                id=name,
                title=registry.experiments[name].title,
                anchor=f"experiment-{slug(name)}",
                claims=[claim for claim, names in users.items() if name in names],
                rows=recipe_rows(
                    registry.experiments[name],
                    pruned=bool((tidy["experiment"].eq(name) & tidy["level"].gt(0)).any()),
                ),
                pictures=[picture for picture in pictures if picture],
            )
        )
    return experiments


def given_experiments(material: Material) -> list[ExperimentPart]:
    """The curves of results that were not trained here."""
    registry, verdicts = material.registry, material.verdicts
    released = registry.suites[verdicts.suite].experiments if verdicts.origin == "published" else {}
    judged = {verdict.id for verdict in verdicts.claims}
    users = [
        (claim.id, {cell.experiment for cell in cells(rule)})
        for claim, rule in registry.registrations(verdicts.suite)
        if claim.id in judged
    ]
    return [
        ExperimentPart(
            id=name,
            title=f"{released[name].title} ({released[name].network})" if name in released else "As given",
            anchor=f"experiment-{slug(name)}",
            claims=[claim for claim, used in users if name in used],
            rows=released_rows(released[name]) if name in released else [],
            pictures=pictures,
        )
        for name, pictures in given_pictures(registry, verdicts, material.tidy).items()
        if pictures or name in released
    ]
