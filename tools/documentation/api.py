"""The page of Python functions, from signatures and docstrings: what docs/python.md shows at work."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

# What a user calls or is handed. Each entry: the module, what one does with it, and its names.
SHOWN = (
    ("lthbench", "Verdicts from Python", ("load", "judge", "check", "test", "UserError")),
    ("lthbench.drive.answer", "What they give", ("Answer", "Claim")),
    ("lthbench.stats.rule", "A decision rule", ("Rule",)),
    ("lthbench.stats.decision", "Deciding a hypothesis", ("Evidence", "weigh", "decide", "combine")),
    ("lthbench.pruning.criteria", "A criterion of your own", ("Trace",)),
    ("lthbench.models.shrink", "A network made smaller", ("shrink", "Cost", "cost")),
    ("lthbench.tickets.export", "A ticket as a file", ("Ticket",)),
)


def api_page() -> str:
    """The page, as Markdown."""
    parts = ["# Python functions\n", "[Verdicts from Python](docs/python.md) shows them at work.\n"]
    for module, does, names in SHOWN:
        parts += [f"## {does}\n", f"`{module}`\n"]
        for name in names:
            parts += entry(name, getattr(importlib.import_module(module), name))
    return "\n".join(parts)


def entry(name: str, item: Any) -> Iterator[str]:
    """One function or class, with its public members."""
    yield f"### {name}\n"
    yield f"```python\n{signature(name, item)}\n```\n"
    yield f"{inspect.getdoc(item)}\n"
    if inspect.isclass(item):
        yield from (f"- {line}" for line in members(item))
        yield ""


def members(item: type) -> Iterator[str]:
    """Properties and methods that the class itself defines."""
    for name, member in vars(item).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield f"`{name}`: {inspect.getdoc(member)}"
        elif inspect.isfunction(member):
            yield f"`{signature(name, member)}`: {inspect.getdoc(member)}"


def signature(name: str, item: Any) -> str:
    """As one would call it; types as they are written in the source."""
    node = ast.parse(textwrap.dedent(inspect.getsource(item))).body[0]
    if isinstance(node, ast.FunctionDef):
        return called(name, node)
    assert isinstance(node, ast.ClassDef)
    made = [own for own in node.body if isinstance(own, ast.FunctionDef) and own.name == "__init__"]
    fields = [ast.unparse(own) for own in node.body if isinstance(own, ast.AnnAssign)]
    return called(name, made[0]) if made else f"{name}({', '.join(fields)})"


def called(name: str, node: ast.FunctionDef) -> str:
    """A function with its arguments, `self` left out, and what it gives."""
    arguments = ast.unparse(node.args).removeprefix("self").removeprefix(", ")
    gives = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    return f"{name}({arguments}){gives}"
