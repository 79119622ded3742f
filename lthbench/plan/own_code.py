"""What a user's own code is, so that edited code gets results of its own. Imports none of it.

A function `package.module:function` is what the source of its module says, with that of the modules beside it
which it imports: comments, docstrings and blank lines aside, as for the engine. A module that has a constant
LTHBENCH_VERSION is what that constant says instead.
"""

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import invalidate_caches
from pathlib import Path

from lthbench.errors import UserError
from lthbench.plan.digests import path_digest
from lthbench.recipe import given
from lthbench.recipe.arms import ARMS
from lthbench.recipe.engine import code_of
from lthbench.recipe.experiment import FUNCTION, Experiment
from lthbench.recipe.ticket import starts_of

VERSION = "LTHBENCH_VERSION"
LIBRARIES = ("site-packages", "dist-packages")
read: dict[tuple[str, Path], str] = {}  # by module and file: before anybody imported it


def own_code(experiment: Experiment, arm: str = "dense") -> Mapping[str, str]:
    """What each function of the user's behind an arm is now, and what its ticket file holds; empty without any.

    A method counts for the arm whose masks it finds; what is made from that arm is named by it. A ticket file
    counts for all arms where they all start from its weights.

    Raises UserError where one cannot be found, or is not what this process imported.
    """
    names = {"network.kind": experiment.network.kind, "pruning.criterion": experiment.pruning.criterion}
    if ARMS[arm].mask == "method":
        names["method"] = experiment.method
    code = {name: code_behind(name, key) for key, name in names.items() if FUNCTION.match(name)}
    if experiment.ticket and (ARMS[arm].mask == "method" or starts_of(experiment.ticket) == "all"):
        code["ticket"] = path_digest(experiment.ticket)
    return code


def code_behind(function: str, key: str) -> str:
    """The declared version of a function's module, or a hash of the source it is made from."""
    module, _, name = function.partition(":")
    if module == given.__name__:
        return given.identity(name)
    file = found(module)
    if file is None:
        raise UserError(
            f"{key} {function}: there is no module {module} to import; it must be installed in this environment "
            "or lie on PYTHONPATH (PYTHONPATH=/its/folder lthbench ...)"
        )
    modules = modules_of(module, file)
    for name, path in modules.items():
        check_no_other_here(name, path)
    version = declared(module, file)
    if version is not None:
        return f"{VERSION} {version}"
    digest = hashlib.sha256()
    for name, path in sorted(modules.items()):
        text = code(path)
        check_not_edited(name, path, text)
        digest.update(f"{name}\n{text}\n".encode())
    return "sha256:" + digest.hexdigest()


def found(module: str) -> Path | None:
    """The file of a module on Python's path, its packages not imported; None where there is none."""
    invalidate_caches()  # it may be new
    places: list[str] | None = None
    name, spec = "", None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((spec for finder in finders if (spec := finder.find_spec(name, places))), None)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or [])
    file = Path(spec.origin) if spec is not None and spec.origin else None
    return file if file is not None and file.is_file() else None


def modules_of(module: str, file: Path) -> dict[str, Path]:
    """A module, and those of its own it is made from: packages around it, what they import from beside it."""
    top = module.partition(".")[0]
    first = found(top) or file
    home = first.parent.parent if first.name == "__init__.py" else first.parent
    wanted, known = [(module, file)], dict[str, Path]()
    while wanted:
        name, path = wanted.pop()
        if name in known:
            continue
        known[name] = path
        for other in imported(name, path):
            beside = None if other in known else found_beside(other, home, top)
            if beside is not None:
                wanted.append((other, beside))
    return known


def found_beside(module: str, home: Path, top: str) -> Path | None:
    """The file of a module that lies beside the user's own: what else is installed is a library's."""
    first = module.partition(".")[0]
    installed = any(part in LIBRARIES for part in home.parts)
    if first == "lthbench" or (installed and first != top):
        return None
    if not any((home / name).exists() for name in (first, f"{first}.py")):
        return None
    file = found(module)
    return file if file is not None and file.is_relative_to(home) else None


def imported(module: str, file: Path) -> Iterator[str]:
    """Names that a module imports, or may: `from a import b` could mean a.b. The packages around it come first."""
    parts = module.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts)))
    package = parts if file.name == "__init__.py" else parts[:-1]
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            around = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*around, *filter(None, [node.module])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            ends = name.split(".")
            yield from (".".join(ends[:end]) for end in range(1, len(ends) + 1))


def declared(module: str, file: Path) -> str | None:
    """The version that a module gives itself: `LTHBENCH_VERSION = "2"`, a text or a number."""
    for node in parsed(file).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == VERSION for target in targets):
            value = node.value if isinstance(node, ast.Assign) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str | int | float):
                return str(value.value)
            raise UserError(f"{module}: {VERSION} must be a text or a number ({file}, line {node.lineno})")
    return None


def check_no_other_here(module: str, file: Path) -> None:
    """An installed copy comes before the folder of work: raise UserError where that one says something else."""
    for here in copies_here(module) if file.suffix == ".py" else ():
        if not here.samefile(file) and code(here) != code(file):
            root = here.parents[module.count(".") + (here.name == "__init__.py")]
            raise UserError(
                f"{module}: Python finds {file}, and {here} differs; install it again (or by pip install -e), "
                f"or set PYTHONPATH={root} to take that one"
            )


def copies_here(module: str) -> list[Path]:
    """Files of a module's name in the folder of work, or in its src/."""
    try:
        here = Path.cwd()
    except OSError:  # it may be gone
        return []
    inside = module.replace(".", "/")
    names = [f"{source}{inside}{end}" for source in ("", "src/") for end in (".py", "/__init__.py")]
    return [here / name for name in names if (here / name).is_file()]


def check_not_edited(module: str, file: Path, text: str) -> None:
    """Python imports a module once: raise UserError where it has other code than the file by now."""
    if module not in sys.modules:
        read.pop((module, file), None)
    if read.setdefault((module, file), text) != text:
        raise UserError(f"{file}: edited after this process had imported it; start Python again")


def parsed(file: Path) -> ast.Module:
    """The syntax of a module; of a compiled one, nothing. Raises UserError where Python would not read it."""
    if file.suffix != ".py":
        return ast.Module([], [])
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        said = error.msg if isinstance(error, SyntaxError) else error
        raise UserError(f"{type(error).__name__}: {said} ({file}{line})") from None


def code(file: Path) -> str:
    """What a module does: its source without what comments and docstrings say; of a compiled one, its bytes."""
    status = file.stat()
    return _code(file, status.st_size, status.st_mtime_ns)


@cache
def _code(file: Path, size: int, modified: int) -> str:
    content = file.read_bytes()
    if file.suffix == ".py":
        try:
            return code_of(content.decode())
        except UnicodeDecodeError:  # of another encoding
            pass
    return hashlib.sha256(content).hexdigest()
