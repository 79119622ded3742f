"""Files and names from strangers: refused in one or two lines, bounded, escaped, and never run."""

import ast
import copy
import hashlib
import io
import json
import time
import xml.etree.ElementTree as ET
from dataclasses import asdict
from pathlib import Path

import bad_inputs
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import TABLE_PIECES, YAML_PIECES, mutated

from lthbench.claims.load import ClaimFileError, claim_files, default_folder, load, validate, yaml_of
from lthbench.claims.popular import Popular
from lthbench.claims.schema import Claim, Suite
from lthbench.data import npz
from lthbench.data.errors import DataError
from lthbench.drive.check import Question, answer
from lthbench.errors import UserError
from lthbench.judging.diff import compare
from lthbench.judging.stored import verdicts_of
from lthbench.recipe.experiment import Experiment
from lthbench.report import render
from lthbench.report.diff_junit import diff_junit
from lthbench.report.explain import explain
from lthbench.results import store
from lthbench.results.format import read_results
from lthbench.words import UNPRINTABLE

ROOT = Path(__file__).parents[2]
CLAIMS = default_folder()
REGISTRY = load()
EXAMPLE = (ROOT / "docs/example-results.csv").read_text()
VERDICTS = json.loads((ROOT / "reports/reference/quick/seed-0/verdicts.json").read_text())
SLOW = 5.0  # seconds; what is refused or read takes a fraction of one, also on a busy machine
FILES = (
    *((path, Claim) for path in claim_files(CLAIMS)),
    (CLAIMS / "popular.yaml", Popular),
    *((path, Experiment) for path in sorted(CLAIMS.glob("experiments/*.yaml"))),
    (CLAIMS / "suites/quick.yaml", Suite),
    (CLAIMS / "suites/published.yaml", Suite),
)
fuzz = settings(max_examples=60, suppress_health_check=list(HealthCheck))
briefly = settings(max_examples=20, suppress_health_check=list(HealthCheck))
CASES = [(heading, name) for heading, cases in bad_inputs.CASES.items() for name in cases]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>[x](javascript:alert(1))[/bold]\x1b[31m"


# What was tried


def said_properly(message: str) -> None:
    lines = message.rstrip("\n").split("\n")
    assert 1 <= len(lines) <= 2, message
    assert "Traceback" not in message
    assert not any(UNPRINTABLE.search(line) for line in lines), repr(message)


@pytest.mark.parametrize(("heading", "name"), CASES)
def test_a_bad_input_is_answered_as_the_page_says(tmp_path, heading, name) -> None:
    began = time.monotonic()
    _, code, _, said = bad_inputs.run(bad_inputs.CASES[heading][name], tmp_path)
    assert time.monotonic() - began < 4 * SLOW
    assert code in (2, 4)
    said_properly(said)
    row = f"| {name} | {code} | {bad_inputs.text(said.removeprefix('lthbench: '))} |"
    assert row in bad_inputs.PAGE.read_text(), f"docs/errors.md: run tests/security/bad_inputs.py\n{row}"
    assert not list(tmp_path.rglob("index.html"))


def test_the_page_lists_nothing_else() -> None:
    _, _, rest = bad_inputs.PAGE.read_text().partition("<!-- tried -->")
    rows = [line for line in rest.splitlines() if line.startswith("| ") and not line.startswith("| input ")]
    assert len(rows) == len(CASES)


def refusal(kind: type[Exception], function, *arguments) -> str:
    """What the function says when it refuses; empty when it does not. Any other exception is a mistake."""
    try:
        function(*arguments)
    except kind as error:
        return str(error)
    return ""


# The two parsers


@fuzz
@given(data=st.data())
def test_a_claim_file_loads_or_is_refused_in_one_line(data) -> None:
    path, kind = data.draw(st.sampled_from(FILES))
    text = data.draw(mutated(path.read_text(), YAML_PIECES))
    began = time.monotonic()
    said = refusal(
        ClaimFileError, lambda: validate(path, yaml_of(text.encode("utf-8", "surrogatepass"), path), kind)
    )
    assert time.monotonic() - began < SLOW
    assert said.startswith(str(path) if said else "")
    assert not UNPRINTABLE.search(said)


@fuzz
@given(content=st.binary(max_size=200))
def test_bytes_as_yaml(content) -> None:
    assert "\n" not in refusal(ClaimFileError, yaml_of, content, Path("x.yaml"))


def read_or_refuse(folder: Path, text: str) -> None:
    path = folder / "t.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    began = time.monotonic()
    said = refusal(UserError, read_results, path)
    assert time.monotonic() - began < SLOW
    if said:
        assert said.startswith(str(path))
        assert len(said) < 2000
        said_properly(said)


@fuzz
@given(text=mutated(EXAMPLE, TABLE_PIECES, most=3))
def test_a_results_table_is_read_or_refused(tmp_path_factory, text) -> None:
    read_or_refuse(tmp_path_factory.mktemp("theirs"), text)


@fuzz
@given(text=st.one_of(st.text(), st.text(alphabet=',"\n\rax1.-', max_size=200)))
def test_text_as_a_results_table(tmp_path_factory, text) -> None:
    read_or_refuse(tmp_path_factory.mktemp("theirs"), text)


@briefly
@given(text=mutated(EXAMPLE, TABLE_PIECES, most=1))
def test_a_results_table_is_judged_or_refused(tmp_path_factory, text) -> None:
    path = tmp_path_factory.mktemp("theirs") / "t.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = answer(REGISTRY, Question(path))
    except UserError as error:
        said_properly(str(error))
    else:
        assert not any(UNPRINTABLE.search(line) for line in found.lines)


# Verdicts, records and arrays


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.just([{}]),
)


@st.composite
def with_other_leaves(draw: st.DrawFn, content: object) -> object:
    """The content with up to three of its values replaced or removed."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        at = content
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = draw(st.sampled_from(keys)) if keys else None
            if key is None:
                break
            if isinstance(at[key], dict | list) and at[key] and draw(st.integers(0, 5)):
                at = at[key]
                continue
            at[key] = copy.deepcopy(draw(LEAVES))  # a list of its own: the next value may go into it
            break
    return content


@fuzz
@given(content=with_other_leaves(VERDICTS))
def test_verdicts_of_a_stranger_are_compared_and_explained_or_refused(content) -> None:
    try:
        found = verdicts_of(json.dumps(content), Path("verdicts.json"))
        same = compare(found, found)
    except UserError as error:
        said_properly(str(error))
        return
    ET.fromstring(diff_junit(same).encode("utf-8"))
    assert same.exit_code == 0
    for claim in ("FC-1", "ST-2"):
        text = explain(REGISTRY, claim, "quick", found, "x")
        assert not UNPRINTABLE.search(text.replace("\n", " "))


RECORD = asdict(store.Record("k", "e", "dense", 0, [(0, 0, None, "final_test_accuracy", 1.0)], "t", {}))
RECORD["rows"] = [list(row) for row in RECORD["rows"]]
del RECORD["provenance"]


@fuzz
@given(content=with_other_leaves(RECORD), provenance=LEAVES)
def test_a_record_is_read_or_refused(tmp_path_factory, content, provenance) -> None:
    path = tmp_path_factory.mktemp("record") / "r.json"
    try:
        digest = store.content_hash(content)
    except ValueError:
        return
    path.write_text(json.dumps({"sha256": digest, "content": content, "provenance": provenance}))
    said = refusal(store.RecordError, store.read, path)
    assert "\n" not in said
    assert said or isinstance(store.read(path).provenance, dict)


def test_a_record_that_unpacks_without_end(tmp_path, monkeypatch) -> None:
    import gzip

    monkeypatch.setattr(store, "LARGEST_RECORD", 1000)
    (tmp_path / "r.json.gz").write_bytes(gzip.compress(b"[" * 5000))
    with pytest.raises(store.RecordError, match="unpacks to more"):
        store.read(tmp_path / "r.json.gz")


def arrays() -> bytes:
    stream = io.BytesIO()
    x, y = np.zeros((4, 3), np.float32), np.array([0, 1, 0, 1])
    np.savez_compressed(stream, x_train=x, y_train=y, x_test=x, y_test=y)
    return stream.getvalue()


@fuzz
@given(data=st.data())
def test_damaged_arrays_are_read_or_refused(tmp_path_factory, data) -> None:
    content = bytearray(arrays())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    path.write_bytes(bytes(content))
    assert "\n" not in refusal(DataError, npz.load, path)


@fuzz
@given(data=st.data())
def test_a_damaged_parquet_file_is_read_or_refused(tmp_path_factory, data) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path_factory.mktemp("parquet") / "t.parquet"
    pd.read_csv(io.StringIO(EXAMPLE)).to_parquet(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    assert refusal(UserError, read_results, path).count("\n") <= 1


def test_a_parquet_file_with_lists_in_its_cells(tmp_path) -> None:
    pytest.importorskip("pyarrow")
    table = pd.read_csv(io.StringIO(EXAMPLE))
    table.assign(value=[[1.0]] * len(table)).to_parquet(tmp_path / "t.parquet")
    assert "column 'value' holds lists" in refusal(UserError, read_results, tmp_path / "t.parquet")


def test_arrays_that_unpack_without_end(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(npz, "LARGEST", 100)
    (tmp_path / "a.npz").write_bytes(arrays())
    with pytest.raises(DataError, match="unpacks to more"):
        npz.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "blob", [b"", b"\xff" * 8, (2).to_bytes(8, "little") + b"{}", b"\x05" + b"\0" * 7 + b"[[[[["]
)
def test_a_checkpoint_with_the_right_hash_and_nothing_in_it_is_ignored(tmp_path, blob) -> None:
    from lthbench.training.checkpoint import Checkpoint

    (tmp_path / "c").write_bytes(hashlib.sha256(blob).digest() + blob)
    assert Checkpoint(tmp_path / "c").load({}) is None


# Text stays text, paths stay inside


def hostile_table(folder: Path) -> str:
    name = "<img src=x onerror=alert(1)>[b].csv"
    text = (
        EXAMPLE.replace("mnist1d-mlp", HOSTILE).replace("seed-9", f"{HOSTILE}9").replace("seed-1", f"{HOSTILE}1")
    )
    lines = text.splitlines()
    lines = [f'{line},"{HOSTILE}"' for line in lines if not line.startswith(f"{HOSTILE},one-shot,9,{HOSTILE}9")]
    (folder / name).write_text("\n".join(lines))
    return f"lthbench check '{name}' --as mnist1d-mlp --claim FC-8"


def test_labels_and_file_names_are_escaped_wherever_they_are_shown(tmp_path) -> None:
    _, code, out, err = bad_inputs.run(hostile_table, tmp_path)
    assert code == 0, err
    assert "left out, without a partner: ticket@9 <script>" in out
    assert "\x1b" not in out
    folder = tmp_path / "reports/check"
    page, markdown = (folder / "index.html").read_text(), (folder / "report.md").read_text()
    script = (Path(render.__file__).parent / "templates/script.js").read_text()
    assert page.count(f"<script>\n{script}") == 1
    for text in (page.replace(f"<script>\n{script}", ""), markdown):
        assert "onerror=alert(1)" in text
        assert "<img" not in text
        assert "<script" not in text
        assert "\x1b" not in text
    assert "](javascript" not in markdown.replace("\\](", "")
    assert ET.parse(folder / "junit.xml").getroot().tag == "testsuite"
    files = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert {name for name in files if not name.endswith(".csv")} == {"reports"}


def test_titles_with_terminal_markup_are_printed_as_they_are(tmp_path) -> None:
    case = bad_inputs.edited("FC-7.yaml", "title: ", 'title: "[/bold][link=http://x]y[/link] :smile:" #')
    _, code, out, err = bad_inputs.run(case, tmp_path)
    assert code == 0, err
    assert "[/bold][link=http://x]y" in " ".join(out.split())


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "/etc", "..\\x", "x\x00y"])
def test_a_suite_s_name_is_never_a_path(tmp_path, name) -> None:
    from lthbench.judging.diff import stored

    (tmp_path / "out").mkdir()
    with pytest.raises((UserError, ValueError)):
        stored(name, tmp_path / "out")


# Nothing is evaluated


FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {
    ("torch", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("yaml", "UnsafeLoader"),
    ("yaml", "FullLoader"), ("yaml", "Loader"), ("yaml", "CLoader"), ("os", "system"), ("os", "popen"),
    ("pd", "read_pickle"), ("pd", "eval"),
}  # fmt: skip


def weights_only(tree: ast.AST) -> list[ast.expr]:
    """The `torch.load` of calls that say weights_only=True: torch then builds tensors and plain containers."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    safe = [call for call in calls if any(map(says_weights_only, call.keywords)) and not any_others(call)]
    return [call.func for call in safe if ast.unparse(call.func) == "torch.load"]


def says_weights_only(keyword: ast.keyword) -> bool:
    value = keyword.value
    return keyword.arg == "weights_only" and isinstance(value, ast.Constant) and value.value is True


def any_others(call: ast.Call) -> bool:
    """Whether a call of torch.load is given more than a file and a device: another unpickler, say."""
    return {keyword.arg for keyword in call.keywords} - {"weights_only", "map_location"} != set()


def offences(tree: ast.AST) -> list[str]:
    """What a module does that nothing here may do."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
            if getattr(node, "module", None) == "torch":
                found += [name for name in names if name == "load"]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            pair = (node.value.id, node.attr)
            found += [".".join(pair)] * (pair in FORBIDDEN_ATTRIBUTES and node not in weights_only(tree))
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                found.append(node.func.id)
            for keyword in node.keywords:
                value = keyword.value
                on = not (isinstance(value, ast.Constant) and value.value is False)
                if keyword.arg in ("allow_pickle", "shell") and on:
                    found.append(keyword.arg)
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "yaml.load":
                loaders = [ast.unparse(k.value) for k in node.keywords if k.arg == "Loader"]
                found += [] if loaders == ["StrictLoader"] else ["yaml.load"]
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "lthbench").rglob("*.py")), ids=str)
def test_no_module_unpickles_or_evaluates(path) -> None:
    assert offences(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from pickle import loads", "import torch\ntorch.load(f)", "from torch import load",
        "np.load(f, allow_pickle=True)", "yaml.load(f, Loader=yaml.Loader)", "yaml.load(f)", "eval(x)",
        "exec(x)", "yaml.unsafe_load(f)", "subprocess.run(x, shell=True)", "import joblib.memory",
        "np.load(f, allow_pickle=x)", "torch.load(f, weights_only=False)", "torch.load(f, weights_only=x)",
        "torch.load(f, weights_only=True, pickle_module=p)", "load = torch.load", "torch.load(f, **options)",
    ],
)  # fmt: skip
def test_the_reader_of_sources_sees(line) -> None:
    assert offences(ast.parse(line))


def test_weights_alone_may_be_loaded_and_no_global_is_allowed_for_it() -> None:
    assert not offences(ast.parse("torch.load(f, map_location='cpu', weights_only=True)"))
    sources = [path.read_text() for path in (ROOT / "lthbench").rglob("*.py")]
    assert not [source for source in sources if "safe_globals" in source]
