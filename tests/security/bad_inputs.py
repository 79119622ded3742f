"""Bad inputs that were tried, one function each: it makes the files and returns the command a user types.

`python tests/security/bad_inputs.py` writes the table of docs/errors.md; a test fails while they disagree.
"""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/errors.md"
REFERENCE = ROOT / "reports/reference/quick/seed-0"
COLUMNS = ("experiment", "arm", "level", "density", "replicate", "draw", "iteration", "metric", "value")
HEAD = "experiment,arm,level,replicate,metric,value"
ROW = "mnist1d-mlp,ticket,9,a,final_test_accuracy,64.5"
LIST = "lthbench list --claims-dir claims"
CHECK = "lthbench check theirs.csv"
Case = Callable[[Path], str]


def edited(file: str, old: str, new: str) -> Case:
    """A claim file with one edit; `old` empty: `new` is added at the end."""

    def make(folder: Path) -> str:
        shutil.copytree(ROOT / "claims", folder / "claims")
        path = folder / "claims" / file
        text = path.read_text()
        assert old in text
        changed = text.replace(old, new, 1) if old else text + new
        path.write_bytes(changed.encode("latin-1" if "\xff" in new else "utf-8"))
        return LIST

    return make


def added(file: str, content: str | None) -> Case:
    """One more file among the claims (None: a folder of that name)."""

    def make(folder: Path) -> str:
        shutil.copytree(ROOT / "claims", folder / "claims")
        path = folder / "claims" / file
        if content is None:
            path.mkdir()
        else:
            path.write_text(content)
        return LIST

    return make


def experiment(name: str) -> Case:
    """An experiment file under another name, with the id that belongs to it."""
    text = (ROOT / "claims/experiments/mnist1d-mlp.yaml").read_text()
    return added(f"experiments/{name}.yaml", text.replace("id: mnist1d-mlp", f'id: "{name}"'))


def table(*lines: str, name: str = "theirs.csv", encoding: str = "utf-8") -> Case:
    """A results table."""

    def make(folder: Path) -> str:
        (folder / name).write_bytes("\n".join(lines).encode(encoding))
        return f"lthbench check {name}" if name.isprintable() else f"lthbench check '{name}'"

    return make


def raw(name: str, content: bytes, command: str) -> Case:
    """A file of bytes."""

    def make(folder: Path) -> str:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        return command

    return make


def verdicts(edit: Callable[[dict], None]) -> Case:
    """The reference verdicts with an edit, compared with themselves."""

    def make(folder: Path) -> str:
        content = json.loads((REFERENCE / "verdicts.json").read_text())
        edit(content)
        (folder / "verdicts.json").write_text(json.dumps(content))
        return "lthbench diff verdicts.json verdicts.json"

    return make


def reference(edit: Callable[[Path], None]) -> Case:
    """The committed reference run with an edit, judged again."""

    def make(folder: Path) -> str:
        shutil.copytree(REFERENCE, folder / "run", ignore=shutil.ignore_patterns("figures", "index.html"))
        edit(folder / "run")
        return "lthbench judge run"

    return make


def slice_(place: str, content: bytes) -> Case:
    """A slice of results with one record."""
    return raw(f"slice/results/{place}", content, "lthbench merge out slice")


def record(**content: object) -> bytes:
    """A unit record whose hash is right, whatever it holds."""
    sys.path.insert(0, str(ROOT))
    from lthbench.results.store import content_hash

    inside = {"key": "k", "experiment": "e", "arm": "dense", "level": 0, "rows": [], "tensors": ""} | content
    return json.dumps({"sha256": content_hash(inside), "content": inside, "provenance": {}}).encode()


def saved(content: Callable[[], object], options: str = "", old: bool = False) -> Case:
    """What torch.save writes of something, to be imported as a ticket."""

    def make(folder: Path) -> str:
        import torch

        torch.save(content(), folder / "theirs.pt", _use_new_zipfile_serialization=not old)
        return f"{IMPORT.replace('FILE', 'theirs.pt')} {options}".strip()

    return make


def arrays(**named: object) -> bytes:
    """An .npz file."""
    import numpy as np

    stream = io.BytesIO()
    np.savez(stream, **{name.replace("_", "."): np.asarray(value) for name, value in named.items()})
    return stream.getvalue()


def tensors(**facts: object) -> bytes:
    """A safetensors file of one mask, with facts as its metadata."""
    import numpy as np
    from safetensors.numpy import save

    return save({"mask/fc1.weight": np.eye(3) == 1}, {name: str(value) for name, value in facts.items()})


class Command:
    """An object that would run a command when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch it-ran",)


def many_numbers() -> object:
    """A tensor of 10^15 numbers that all lie in the same four bytes."""
    import torch

    return {"fc1.weight": torch.zeros(1).expand(10**8, 10**7)}


def without_end() -> object:
    """A dict that holds itself."""
    content: dict[str, object] = {"epoch": 1}
    content["state_dict"] = content
    return content


def masks(*numbers: float, name: str = "fc1.weight") -> Callable[[], object]:
    """One mask of a column of numbers."""

    def make() -> object:
        import torch

        return {name: torch.tensor([numbers])}

    return make


def command(text: str) -> Case:
    """A command alone."""
    return lambda folder: text


FC = "FC-7.yaml"
IMPORT = "lthbench import FILE --out ticket.safetensors"
NPZ, SAFE = IMPORT.replace("FILE", "t.npz"), IMPORT.replace("FILE", "t.safetensors")
UNIT = "quick/seed-0/units/e/b0-dense-0-k.json"
DEEP = "[" * 100_000
CASES: dict[str, dict[str, Case]] = {
    "Claim files": {
        "a tag that would make an object": edited(FC, "", "extra: !!python/object/apply:os.system [ls]\n"),
        "anchors inside anchors (a bomb)": edited(FC, "", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"),
        "an anchor inside itself": edited(FC, "", "a: &a [*a]\n"),
        "100,000 lists inside one another": edited(FC, "", f"a: {DEEP}\n"),
        "a number of 5000 digits": edited(FC, "", f"a: {'9' * 5000}\n"),
        "1:1:1:... as a number": edited(FC, "", f"a: {'1:' * 3000}1\n"),
        "a list as a key": edited(FC, "", "? [a, b]\n: c\n"),
        "a key twice": edited(FC, "", "id: FC-8\n"),
        "an unknown key, with an escape sequence": edited(FC, "", '"mo\\e[31mod": good\n'),
        "control characters in a title": edited(FC, "title: ", 'title: "\\e[2J" #'),
        "a lone surrogate": edited(FC, "title: ", 'title: "\\ud800" #'),
        "nan as a margin": edited(FC, "delta: 3.7", "delta: .nan"),
        "text nan as a margin": edited(FC, "delta: 3.7", 'delta: "nan"'),
        "a level without bound": edited(FC, "ticket@9", "ticket@999999"),
        "10^9 replicates": edited(FC, "replicates: 20", "replicates: 1000000000"),
        "bytes that are no UTF-8": edited(FC, "", "a: \xff\n"),
        "a file of 300 kB": edited(FC, "", "#" * 300_000),
        "a list instead of keys": added("FC-99.yaml", "- a\n"),
        "a folder called FC-99.yaml": added("FC-99.yaml", None),
        "an experiment called '..'": experiment(".."),
        "an experiment called 'a;b'": experiment("a;b"),
        "an experiment called '$(id)'": experiment("$(id)"),
        "nan in a network's options": added(
            "experiments/x.yaml",
            (ROOT / "claims/experiments/mnist1d-mlp.yaml")
            .read_text()
            .replace("id: mnist1d-mlp", "id: x")
            .replace("kind: mlp, hidden: [300, 100]", "kind: timm/resnet18, options: {a: .nan}"),
        ),
    },
    "Results tables": {
        "no such file": command("lthbench check none.csv"),
        "a pickle": raw("theirs.pkl", b"\x80\x04.", "lthbench check theirs.pkl"),
        "bytes that are no UTF-8": table(HEAD, ROW + "\xff", encoding="latin-1"),
        "gzip that ends early": raw("t.csv.gz", gzip.compress(b"a" * 999)[:-9], "lthbench check t.csv.gz"),
        "gzip that is none": raw("t.csv.gz", b"experiment", "lthbench check t.csv.gz"),
        "a gzip bomb": raw("t.csv.gz", gzip.compress(b"," * 60_000_000), "lthbench check t.csv.gz"),
        "5000 columns": table(HEAD + ",x" * 5000, ROW + ",1" * 5000),
        "a cell of 200,000 characters": table(HEAD, ROW.replace("ticket", "t" * 200_000)),
        "a column with a line break and an escape sequence": table(
            '"accu\nracy\x1b[31m",' + HEAD.replace("value", "x"), "1," + ROW
        ),
        "an open quote": table(HEAD, '"' + ROW),
        "1e300 as an accuracy": table(HEAD, ROW.replace("64.5", "1e300")),
        "a formula": table(HEAD, ROW.replace("64.5", "=1+1")),
        "a level of 400 digits": table(HEAD, ROW.replace(",9,", f",{'9' * 400},")),
        "a negative level": table(HEAD, ROW.replace(",9,", ",-1,")),
        "an SD of 1e-320": table(HEAD + ",sd,n", ROW.replace(",a,", ",,") + ",1e-320,3"),
        "an experiment nobody knows, with markup": table(HEAD, ROW.replace("mnist1d-mlp", "<script>[/b]\x1b[31m")),
        "a file name with a line break": table(HEAD, name="the\nirs.csv"),
    },
    "Verdicts and committed runs": {
        "no JSON": raw("verdicts.json", b"{", "lthbench diff verdicts.json verdicts.json"),
        "100,000 lists inside one another": raw(
            "verdicts.json", DEEP.encode(), "lthbench explain FC-1 --run verdicts.json"
        ),
        "keys that no verdict has": verdicts(lambda v: v.update(x=1)),
        "a verdict that is none": verdicts(lambda v: v["claims"][0].update(verdict="\x1b[31mGREAT")),
        "text where a number belongs": verdicts(
            lambda v: v["claims"][0]["hypotheses"][0]["evidence"].update(mean="<script>")
        ),
        "a claim without hypotheses": verdicts(lambda v: v["claims"][0].update(hypotheses=[])),
        "a claim twice": verdicts(lambda v: v["claims"].append(v["claims"][0])),
        "a suite nobody knows": reference(
            lambda run: (run / "verdicts.json").write_text(
                (run / "verdicts.json").read_text().replace('"quick"', '"../../etc"')
            )
        ),
        "a tidy table without its columns": reference(
            lambda run: (run / "tidy.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
        ),
        "a tidy table with text for numbers": reference(
            lambda run: (run / "tidy.csv.gz").write_bytes(
                gzip.compress(",".join(COLUMNS).encode() + b"\na,b,c,1,1,1,1,m,v\n")
            )
        ),
        "a tidy table that is no gzip": reference(lambda run: (run / "tidy.csv.gz").write_bytes(b"tidy")),
        "provenance that is a number": reference(lambda run: (run / "provenance.json").write_text("[1]")),
    },
    "Slices to merge": {
        "no records": command("lthbench merge out ."),
        "a record that was edited": slice_(UNIT, record().replace(b'"level": 0', b'"level": 1')),
        "a record with rows that are none": slice_(UNIT, record(rows=[[1, 2]])),
        "a record with keys that none has": slice_(UNIT, record(x=1)),
        "a record under another one's name": slice_(UNIT, record(arm="ticket", level=3)),
        "a record in another experiment's folder": slice_(UNIT, record(experiment="../../e")),
        "a seed that is no number": slice_(UNIT.replace("seed-0", "seed-x"), record()),
        "a suite called '$(id)'": slice_(UNIT.replace("quick", "$(id)"), record()),
        "100,000 lists inside one another": slice_(UNIT, DEEP.encode()),
        "gzip that is none": slice_(UNIT + ".gz", b"record"),
    },
    "Tickets": {
        "no such file": command(IMPORT.replace("FILE", "none.pt")),
        "a kind of file nobody knows": raw("t.h5", b"x", IMPORT.replace("FILE", "t.h5")),
        "an object that runs a command": saved(lambda: {"fc1.weight": Command()}),
        "an object that runs a command, in the older format": saved(lambda: {"fc1.weight": Command()}, old=True),
        "a plain pickle": raw("t.pt", b"cos\nsystem\n(S'touch it-ran'\ntR.", IMPORT.replace("FILE", "t.pt")),
        "bytes": raw("t.pt", b"\x80\x02" + b"\xff" * 99, IMPORT.replace("FILE", "t.pt")),
        "10^15 numbers in four bytes": saved(many_numbers),
        "a dict inside itself": saved(without_end),
        "a name with an escape sequence": saved(masks(1, 0, name="fc1\x1b[31m.weight")),
        "a name of 10,000 letters": saved(masks(1, 0, name="w" * 10_000)),
        "a mask of floats": saved(masks(1, 0.5)),
        "a mask of nan": saved(masks(1, float("nan"))),
        "a mask that keeps everything": saved(masks(1, 1)),
        "a dense network": saved(masks(-1, 0.5), "--weights start"),
        "masks said to be weights": saved(masks(1, 0), "--weights start"),
        "a role that is none": saved(masks(1, 0), "--weights final"),
        "Python objects in an .npz": raw("t.npz", arrays(fc1_weight=[Command()]), NPZ),
        "an .npz that ends early": raw("t.npz", arrays(fc1_weight=[[1, 0]])[:-30], NPZ),
        "text in an .npz": raw("t.npz", arrays(fc1_weight=[["a", "b"]]), NPZ),
        "a safetensors header without end": raw("t.safetensors", b"\xff" * 16, SAFE),
        "facts that are no JSON": raw("t.safetensors", tensors(lthbench=DEEP), SAFE),
        "facts with a number that is none": raw("t.safetensors", tensors(lthbench='{"density": NaN}'), SAFE),
        "a ticket over a file of another kind": saved(masks(1, 0), "--out theirs.pt"),
    },
    "Names on the command line": {
        "a suite with a path in it": command("lthbench run ../../etc"),
        "a claim with a path in it": command("lthbench run quick --claim ../../etc"),
        "a claim with a path in it, explained": command("lthbench explain ../../etc"),
        "a baseline that is not there": command("lthbench diff ../../nowhere-at-all quick"),
        "a folder without verdicts": command("lthbench run quick --against ."),
    },
}  # fmt: skip


def run(case: Case, folder: Path) -> tuple[str, int, str, str]:
    """Type the command in the folder: the command, its exit code, stdout and stderr."""
    from lthbench.cli.app import main

    typed = case(folder)
    out, err = io.StringIO(), io.StringIO()
    before, arguments = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", typed)]
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os.chdir(before)
        sys.argv = arguments
    return typed, code, out.getvalue(), err.getvalue()


def text(words: str) -> str:
    """Words as inline code in a table cell of Markdown."""
    plain = " ".join(words.split())
    plain = plain if len(plain) <= 200 else plain[:200] + " ..."
    return "`" + plain.replace("`", "'").replace("|", "\\|") + "`"


def tables() -> str:
    """The tables of the page."""
    found = []
    for heading, cases in CASES.items():
        found += [f"### {heading}", "", "| input | code | what is said |", "|---|---|---|"]
        for name, case in cases.items():
            with tempfile.TemporaryDirectory() as folder:
                _, code, _, said = run(case, Path(folder))
            found.append(f"| {name} | {code} | {text(said.removeprefix('lthbench: '))} |")
        found.append("")
    return "\n".join(found)


def page(tables: str) -> str:
    """The whole page with the tables put in."""
    head, begin, rest = PAGE.read_text().partition("<!-- tried -->\n")
    _, end, tail = rest.partition("<!-- end of what was tried -->\n")
    return f"{head}{begin}\n{tables}\n{end}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(tables()))
