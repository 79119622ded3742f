"""Loading claims/: every file is checked against its schema, then all files against one another."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from lthbench.claims import questions as asking
from lthbench.claims.popular import FILE, Popular
from lthbench.claims.questions import Questions
from lthbench.claims.schema import MEASURED, Cell, Claim, Registration, Suite
from lthbench.data.errors import DataError
from lthbench.data.registry import check_name
from lthbench.data.root import data_root
from lthbench.files import read_bytes
from lthbench.recipe.arms import ARMS, check_cell, check_frozen
from lthbench.recipe.experiment import Experiment, canonical
from lthbench.recipe.variants import variant_of
from lthbench.stats.multiplicity import fixed_level
from lthbench.stats.power import floor_n, power
from lthbench.words import UNPRINTABLE, choices, shown

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    QUICK: tuple[Any, ...] = (CParser,)
except ImportError:  # a PyYAML that was built without it
    QUICK = ()

T = TypeVar("T", Claim, Suite, Experiment, Popular, Questions)
LARGEST_FILE = 200_000
DEEPEST = 40  # of lists and keys inside one another
TOO_DEEP = f"more than {DEEPEST} levels inside one another"
MOST_ALIASES = 100
LARGEST_NUMBER = 10**18
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")  # of an experiment: it becomes part of file names and commands
FEWEST_REPLICATES = 8
FEWEST_TUNED = 16
LEAST_POWER = 0.9
POWER_TOLERANCE = 0.02


class ClaimFileError(ValueError):
    """A file of claims/ cannot be used; the message, one line, names the file, the field and the way out."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message, 2000))


@dataclass(frozen=True)
class Registry:
    """All claims, suites (those that train first) and experiments of one folder, by id."""

    claims: dict[str, Claim]
    suites: dict[str, Suite]
    experiments: dict[str, Experiment]
    popular: Popular | None = None
    questions: Questions | None = None
    folder: Path | None = field(default=None, compare=False)  # where they were read

    def registrations(self, suite: str) -> Iterator[tuple[Claim, Registration]]:
        """The claims of a suite, as the kind they have in it, with how it decides them, in the suite's order."""
        for name in self.suites[suite].claims:
            claim, registration = self.claims[name], self.claims[name].suites[suite]
            yield claim.model_copy(update={"kind": registration.kind or claim.kind}), registration

    def primaries(self, suite: str) -> list[str]:
        """Ids of the primary claims of a suite."""
        return [claim.id for claim, _ in self.registrations(suite) if claim.kind == "primary"]

    def level(self, suite: str, claim: Claim, alpha: float) -> float:
        """The level of a claim where a look has `alpha`: its share of it if the claim is primary, else all."""
        return fixed_level(len(self.primaries(suite)), alpha) if claim.kind == "primary" else alpha


def default_folder() -> Path:
    """claims/ of the checkout the package runs from, else the copy inside the installed package."""
    if os.environ.get("LTHBENCH_CLAIMS"):
        return Path(os.environ["LTHBENCH_CLAIMS"])
    package = Path(__file__).parents[1]
    checkout = package.parent / "claims"
    return checkout if (package.parent / "pyproject.toml").is_file() else package / "_bundled" / "claims"


class Quick(yaml.composer.Composer, *QUICK, yaml.constructor.SafeConstructor, yaml.resolver.Resolver):  # type: ignore[misc]
    """PyYAML's SafeLoader with libyaml's parser, which takes a fifth of the time."""

    def __init__(self, stream: Any) -> None:
        yaml.composer.Composer.__init__(self)
        QUICK[0].__init__(self, stream)
        yaml.constructor.SafeConstructor.__init__(self)
        yaml.resolver.Resolver.__init__(self)


class StrictLoader(Quick if QUICK else yaml.SafeLoader):  # type: ignore[misc]
    """Safe YAML: plain keys, values and lists. No tags, no key twice, no depth and no anchors without bound.

    An anchored value may not use another anchor, so that what a file expands to is bounded by its size.
    """

    depth = anchored = aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Look at each event before anything is made of it."""
        event = self.peek_event()
        alias, anchor = isinstance(event, yaml.AliasEvent), getattr(event, "anchor", None) is not None
        self.aliases += alias
        if alias and (self.anchored or self.aliases > MOST_ALIASES):
            raise refused(f"*{event.anchor}: anchors inside anchors, or too many; write it out", event)
        if getattr(event, "tag", None) is not None:
            raise refused(f"the tag {event.tag}; claim files have plain values only", event)
        if self.depth >= DEEPEST:
            raise refused(TOO_DEEP, event)
        opens = anchor and not alias
        self.depth, self.anchored = self.depth + 1, self.anchored + opens
        node = super().compose_node(parent, index)
        self.depth, self.anchored = self.depth - 1, self.anchored - opens
        return node


def refused(why: str, at: Any) -> yaml.MarkedYAMLError:
    """A YAML error of ours, at the line of an event or node."""
    return yaml.constructor.ConstructorError(None, None, why, at.start_mark)


def _mapping(loader: StrictLoader, node: yaml.MappingNode) -> dict:
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise refused("a key is a list or has keys of its own; keys are words", key)
        name = loader.construct_object(key)
        if name in seen:
            raise refused(f"'{shown(name)}' is written twice", node)
        seen.add(name)
    return loader.construct_mapping(node, deep=True)


def _whole(loader: StrictLoader, node: yaml.ScalarNode) -> int:
    """A whole number that is no attack: 1:1:1:... is one in YAML, as large as the file is long."""
    try:
        value = loader.construct_yaml_int(node)
    except ValueError:
        raise refused(f"{shown(node.value)} is no number", node) from None
    if abs(value) > LARGEST_NUMBER:
        raise refused("a number of more than 18 digits", node)
    return value


def _number(loader: StrictLoader, node: yaml.ScalarNode) -> float:
    """A number; the schema refuses nan and infinity, where it can name the field."""
    try:
        return loader.construct_yaml_float(node)
    except (ValueError, OverflowError):  # 1:1:1:...:0.5 again
        raise refused(f"{shown(node.value)} is no number", node) from None


def _text(loader: StrictLoader, node: yaml.ScalarNode) -> str:
    """A text that a terminal, a page and a file can hold."""
    value = loader.construct_yaml_str(node)
    if UNPRINTABLE.search(value.replace("\n", " ").replace("\t", " ")):
        raise refused("a text holds control characters; remove them", node)
    return value


StrictLoader.add_constructor("tag:yaml.org,2002:int", _whole)
StrictLoader.add_constructor("tag:yaml.org,2002:float", _number)
StrictLoader.add_constructor("tag:yaml.org,2002:str", _text)
StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file, or a one-line error with the line number."""
    return yaml_of(read_bytes(path, LARGEST_FILE, ClaimFileError, "rename or remove it"), path)


def yaml_of(content: bytes, path: Path) -> Any:
    """The content of a YAML file; `path` is for messages."""
    try:
        return yaml.load(content.decode("utf-8"), Loader=StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = TOO_DEEP if "nesting depth" in str(error.problem) else error.problem  # newer libyaml looks first
        raise ClaimFileError(f"{path}{line}: not valid YAML: {shown(problem, 200)}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none, bytes that are no UTF-8
        raise ClaimFileError(f"{path}: not valid YAML: {shown(error, 200)}") from None


def parse(path: Path, kind: type[T]) -> T:
    """One file as an object of its schema."""
    return validate(path, read_yaml(path), kind)


def validate(path: Path, content: Any, kind: type[T]) -> T:
    """The content of a file as an object of its schema."""
    if not isinstance(content, dict):
        raise ClaimFileError(f"{path}: expected keys and values at top level")
    try:
        loaded = TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise ClaimFileError(f"{path}: {first_error(error)}") from None
    except (ValueError, OverflowError, RecursionError) as error:  # a number too large to be printed, say
        raise ClaimFileError(f"{path}: cannot be read: {shown(error, 200)}") from None
    if loaded.id != path.stem:
        raise ClaimFileError(f"{path}: id is '{shown(loaded.id)}'; it must equal the file's name")
    if isinstance(loaded, Experiment) and not NAME.fullmatch(loaded.id):
        raise ClaimFileError(f"{path}: id '{shown(loaded.id)}'; use small letters, digits and hyphens, at most 64")
    return loaded


def first_error(error: ValidationError) -> str:
    """The first thing that is wrong with a file, by its field, and how many more there are; one line."""
    first = error.errors()[0]
    field = shown(".".join(str(part) for part in first["loc"] if not str(part).startswith("function-")), 100)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{field or 'file'}: {explain(first)}{more}"


def explain(error: Any) -> str:
    """A validation error in words an author understands."""
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return "unknown key; remove it or correct its spelling"
    if error["type"] in ("missing", "missing_argument"):
        return "missing; add it"
    said, value = shown(error["msg"].removeprefix("Value error, "), 300), error["input"]
    if error["type"] == "json_invalid" or (error["type"] == "value_error" and isinstance(value, dict | list)):
        return said  # it names what is wrong, and the value is all of it
    return f"{said} (found {brief(value)!r})"


def brief(value: Any) -> str:
    """What was found, without printing all of something large."""
    if isinstance(value, dict | list):
        return f"{len(value)} {'keys' if isinstance(value, dict) else 'entries'}"
    return shown(value, 60)


def load(folder: Path | None = None) -> Registry:
    """Read and check every file below the folder."""
    folder = folder or default_folder()
    if not folder.is_dir():
        raise ClaimFileError(f"{folder}: no such folder; give the folder of the claim files with --claims-dir")
    experiments = {
        e.id: located(e, folder)
        for e in (parse(path, Experiment) for path in sorted(folder.glob("experiments/*.yaml")))
    }
    claims = {
        claim.id: with_variants_named(claim, experiments)
        for claim in (parse(path, Claim) for path in claim_files(folder))
    }
    suites = [with_claims(parse(path, Suite), claims) for path in sorted(folder.glob("suites/*.yaml"))]
    registry = Registry(
        claims=claims,
        suites={suite.id: suite for suite in sorted(suites, key=lambda suite: not suite.trains)},
        experiments=experiments,
        popular=parse(folder / FILE, Popular) if (folder / FILE).exists() else None,
        questions=parse(folder / asking.FILE, Questions) if (folder / asking.FILE).exists() else None,
        folder=folder,
    )
    for experiment in registry.experiments.values():
        try:
            check_name(experiment.data.name)
        except DataError as error:
            file = folder / "experiments" / f"{experiment.id}.yaml"
            raise ClaimFileError(f"{file}: data.name: {error}") from None
        try:
            canonical(experiment.network.options)
        except (TypeError, ValueError):
            file = folder / "experiments" / f"{experiment.id}.yaml"
            raise ClaimFileError(f"{file}: network.options: finite numbers, texts and lists only") from None
        wrong = wrong_source(registry, experiment)
        if wrong:
            raise ClaimFileError(f"{folder / 'experiments' / experiment.id}.yaml: mask_from: {wrong}")
    for claim in registry.claims.values():
        for name in claim.suites:
            if name not in registry.suites:
                where = f"{folder / claim.id}.yaml: suites"
                raise ClaimFileError(f"{where}: there is no suite '{name}'; {choices(name, registry.suites)}")
        for other in claim.qualifies:
            if other not in registry.claims:
                raise ClaimFileError(f"{folder / claim.id}.yaml: qualifies: there is no claim '{other}'")
    for named in registry.popular.named if registry.popular else ():
        if named not in registry.claims and named not in registry.popular.not_registered:  # type: ignore[union-attr]
            raise ClaimFileError(
                f"{folder / FILE}: there is no claim '{named}'; add {named}.yaml, or a reason under not_registered"
            )
    for named in registry.questions.named if registry.questions else ():
        if named not in registry.claims:
            where = f"{folder / asking.FILE}: questions"
            raise ClaimFileError(f"{where}: there is no claim '{named}'; add {named}.yaml or take it out")
    for suite in registry.suites.values():
        check_suite(registry, suite, folder)
    return registry


def located(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment with the place of its data and ticket: paths in claim files are relative to their folder.

    So a folder of claims and its data can be put anywhere together, and a run started anywhere. Data that are not
    beside the claims are looked for in the data folder.
    """
    if experiment.ticket and not Path(experiment.ticket).expanduser().is_absolute():
        experiment = replace(experiment, ticket=str((folder / experiment.ticket).resolve()))
    path = experiment.data.path
    if path is None or Path(path).expanduser().is_absolute():
        return experiment
    beside, below_root = (folder / path).resolve(), data_root() / path
    place = below_root if not beside.exists() and below_root.exists() else beside
    return replace(experiment, data=replace(experiment.data, path=str(place)))


def with_variants_named(claim: Claim, experiments: Mapping[str, Experiment]) -> Claim:
    """The claim, whose titles say where it is about a variant (recipe/variants.py)."""
    named = {suite: names_its_variant(own, experiments) for suite, own in claim.suites.items()}
    changed = any(named[suite] is not own for suite, own in claim.suites.items())
    return claim.model_copy(update={"suites": named}) if changed else claim


def names_its_variant(registration: Registration, experiments: Mapping[str, Experiment]) -> Registration:
    """The registration, whose title names the variants of its experiments: so every verdict line does."""
    used = {cell.experiment: experiments.get(cell.experiment) for cell in cells(registration)}
    variants = {variant_of(experiment.training) for experiment in used.values() if experiment} - {""}
    words = f"({', '.join(sorted(variants))} variant)"
    if not variants or registration.title.endswith(words):
        return registration
    return registration.model_copy(update={"title": f"{registration.title} {words}"})


def with_claims(suite: Suite, claims: Mapping[str, Claim]) -> Suite:
    """The suite with all claims that register it: those it lists, in that order, then the others by id."""
    others = [id for id, claim in sorted(claims.items()) if suite.id in claim.suites and id not in suite.claims]
    return suite.model_copy(update={"claims": [*suite.claims, *others]}) if others else suite


def wrong_source(registry: Registry, experiment: Experiment) -> str:
    """Why tickets of the experiment that `mask_from` names cannot be worn here; empty when they can."""
    source = registry.experiments.get(experiment.mask_from)
    if not experiment.mask_from:
        return ""
    if source is None or source is experiment:
        known = ", ".join(registry.experiments)
        return f"there is no other experiment '{experiment.mask_from}'; known are {known}"
    if source.streams != experiment.streams:
        return f"'{source.id}' draws other initial weights; set paired_with to {source.streams}"
    if (source.network, source.pruning) != (experiment.network, experiment.pruning):
        return f"'{source.id}' has another network or pruning recipe; give both the same"
    return ""


def claim_files(folder: Path) -> list[Path]:
    """The files of claims, sorted: all on the top level but those about popular accounts and questions."""
    return [path for path in sorted(folder.glob("*.yaml")) if path.name not in (FILE, asking.FILE)]


def check_claims(registry: Registry, suite: Suite, folder: Path) -> None:
    """A suite has claims; they exist and register it, as one that trains or as one of given results."""
    where = folder / "suites" / f"{suite.id}.yaml"
    if not suite.claims:
        raise ClaimFileError(f"{where}: no claim registers it; add an entry '{suite.id}' under suites of a claim")
    for claim_id in suite.claims:
        if claim_id not in registry.claims:
            raise ClaimFileError(
                f"{where}: claims: there is no claim '{claim_id}'; add {claim_id}.yaml or remove it"
            )
        file, registered = f"{folder / claim_id}.yaml: suites", registry.claims[claim_id].suites
        if suite.id not in registered:
            raise ClaimFileError(f"{file}: '{suite.id}' lists this claim; register it")
        if registered[suite.id].trains != suite.trains:
            other = "trains nothing; give by_hand and caveats" if registered[suite.id].trains else "trains"
            raise ClaimFileError(f"{file}.{suite.id}: the suite {other}, the registration says otherwise")


def check_given(suite: Suite, registration: Registration) -> None:
    """Every cell belongs to an experiment and an arm that the suite of given results describes."""
    for line in registration.lines():
        for cell in line.contrast.cells(registration.experiment):
            if cell.experiment not in suite.experiments:
                raise ValueError(f"{line.id}: suite '{suite.id}' describes no experiment '{cell.experiment}'")
            arms = suite.experiments[cell.experiment].arms
            if cell.arm not in arms:
                raise ValueError(f"{line.id}: unknown arm '{cell.arm}'; the arms are {', '.join(arms)}")


def check_suite(registry: Registry, suite: Suite, folder: Path) -> None:
    """A suite's claims exist, register it, and (where it trains) can reach significance with their own n."""
    check_claims(registry, suite, folder)
    where = folder / "suites" / f"{suite.id}.yaml"
    for experiment in suite.dense_bands:
        if experiment not in registry.experiments:
            raise ClaimFileError(f"{where}: dense_bands: there is no experiment '{experiment}'")
    look, members = suite.first_look, max(1, len(registry.primaries(suite.id)))
    alpha = suite.alpha - (look.alpha if look else 0)  # what the last look has
    if look and look.replicates < (fewest := floor_n(fixed_level(members, look.alpha))):
        raise ClaimFileError(
            f"{where}: first_look.replicates: {look.replicates} cannot decide a primary claim at level "
            f"{fixed_level(members, look.alpha):.4g} (the exact sign-flip test); look at {fewest} or more"
        )
    for claim, registration in registry.registrations(suite.id):
        file = f"{folder / claim.id}.yaml: suites.{suite.id}"
        try:
            if suite.trains:
                check_registration(registry, claim, registration, suite, alpha)
            else:
                check_given(suite, registration)
        except ValueError as error:
            raise ClaimFileError(f"{file}: {error}") from None


def check_registration(
    registry: Registry, claim: Claim, registration: Registration, suite: Suite, alpha: float
) -> None:
    """Cells exist, experiments have an accuracy band, n reaches the last look's level, power is as registered."""
    for cell in cells(registration):
        if cell.experiment not in registry.experiments:
            known = ", ".join(registry.experiments)
            raise ValueError(f"experiment: there is no experiment '{cell.experiment}'; known are {known}")
        experiment = registry.experiments[cell.experiment]
        if cell.percent is not None:
            raise ValueError(f"'{cell.label}': networks are trained at a level; write arm@level")
        check_cell(cell.arm, cell.level, experiment.pruning.rewind, experiment.mask_from, experiment.method)
        check_frozen(cell.arm, experiment.training.weight_decay, experiment.pruning.unit)
        if registry.experiments[cell.experiment].weights is None:
            raise ValueError(f"experiment '{cell.experiment}' has no weights; count the prunable ones and add it")
        if cell.experiment not in suite.dense_bands and not suite.exploratory:
            raise ValueError(f"suite '{suite.id}' has no dense_bands entry for '{cell.experiment}'")
    for line in registration.lines():
        for cell in line.contrast.cells(registration.experiment):
            if line.endpoint == "barrier" and not ARMS[cell.arm].line_from:
                lines = ", ".join(name for name, arm in ARMS.items() if arm.line_from)
                raise ValueError(f"{line.id}: endpoint barrier is measured on {lines}, not on '{cell.arm}'")
            needed = MEASURED.get(line.endpoint)
            if needed and needed not in registry.experiments[cell.experiment].training.measure:
                raise ValueError(
                    f"{line.id}: experiment '{cell.experiment}' does not measure what {line.endpoint} needs; "
                    f"add {needed} to its training.measure"
                )
    primary = claim.kind == "primary"
    level = registry.level(suite.id, claim, alpha)
    if suite.first_look and registration.replicates <= suite.first_look.replicates:
        raise ValueError(f"replicates: no more than the first look's {suite.first_look.replicates}; register more")
    fewest = max(floor_n(level), FEWEST_REPLICATES if primary else 0)
    if registration.replicates < fewest:
        raise ValueError(
            f"replicates: {registration.replicates} cannot decide at level {level:.4g} (the exact sign-flip "
            f"test needs 2^-n <= level, primaries at least {FEWEST_REPLICATES}); register at least {fewest}"
        )
    if primary and registration.tuning is not None and registration.tuning.replicates < FEWEST_TUNED:
        raise ValueError(f"tuning.replicates: a primary claim needs {FEWEST_TUNED} or more")
    if suite.exploratory:
        return
    computed = registered_power(registration, level)
    if registration.power is None:
        raise ValueError(f"power: missing; add it (n and expected give {computed:.3f})")
    if abs(computed - registration.power) > POWER_TOLERANCE:
        raise ValueError(f"power: registered {registration.power}, but n and expected give {computed:.3f}")
    if primary and computed < LEAST_POWER:
        raise ValueError(f"power: {computed:.3f} is below {LEAST_POWER}; register more replicates")


def registered_power(registration: Registration, level: float) -> float:
    """P(every hypothesis passes) at the expected effects: at least 1 - sum of the single misses."""
    misses = 0.0
    for h in registration.hypotheses:
        if h.expected is None:
            raise ValueError(f"{h.id}.expected: missing; add effect and sd")
        misses += 1 - power(h.rule, h.expected.effect, h.expected.sd, registration.replicates, level)
    return max(0.0, 1 - misses)


def cells(registration: Registration) -> list[Cell]:
    """Every cell the registration needs, in order, each once."""
    return list(
        dict.fromkeys(
            cell for line in registration.lines() for cell in line.contrast.cells(registration.experiment)
        )
    )
