"""The rooms of the house and the order of the flow: imports run one way, also those inside functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lthbench

PACKAGE = Path(lthbench.__file__).parent
# From the ground up: a room may import what stands before it, and itself.
ORDER = (
    "words", "errors", "files", "stats", "recipe", "data", "models", "published", "claims", "plan", "pruning",
    "training", "results", "judging", "tickets", "calibration", "footprint", "report", "drive", "cli",
)  # fmt: skip
FACES = ("__init__", "__main__")  # the Python API and the command: they open doors to every room


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Dotted names of this package (and of tools) that a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_top_level_holds_rooms_and_a_handful_of_words() -> None:
    tops = {path.stem for path in PACKAGE.glob("*.py")}
    assert tops <= {*FACES, "words", "errors", "files"}
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert rooms | tops == {*ORDER, *FACES}


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_down(path: Path) -> None:
    here = room(path)
    for name in imported(path):
        top, *rest = name.split(".")
        assert top != "tools", "tools are for development: the package cannot need them"
        if here in FACES or top != "lthbench" or not rest or rest[0] not in ORDER:
            continue
        assert ORDER.index(rest[0]) <= ORDER.index(here), f"{here} is below {rest[0]}: {name}"


def test_no_circle_inside_a_room() -> None:
    files = {".".join(("lthbench", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in modules()}
    arrows = {name: {target for target in targets(path, files) if target != name} for name, path in files.items()}
    while arrows:
        free = [name for name, others in arrows.items() if not others & arrows.keys()]
        assert free, f"imports in a circle: {sorted(arrows)}"
        for name in free:
            del arrows[name]


def targets(path: Path, files: dict[str, Path]) -> set[str]:
    """The modules of the package that a module imports, faces left out."""
    if path.stem in FACES:
        return set()
    names = {name if name in files else name.rpartition(".")[0] for name in imported(path)}
    return {name for name in names if name in files}
