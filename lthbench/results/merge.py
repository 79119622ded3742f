"""Join the unit records of several machines into one results folder.

A *slice* is any folder that holds `results/<suite>/seed-<m>/units/...` (what `--out` was on that machine), or such
a `results` folder's contents themselves. Records are content-addressed, so slices never have to agree on who
trains what; checkpoints of units under way stay where they are.

Nothing is copied before everything was looked at: each record must verify, two records of one name must hold the
same numbers (both files are named if not), and all units of one experiment must come from one kind of device
(`cpu`, or one GPU's name), because replicates of one contrast do.

A slice to be committed is made with `without_tensors`: records only, packed as `<name>.json.gz`. That is all that
tidy tables and verdicts need. Merged again, its units count as measured; only where a unit still to be trained is
made from one of them, that one is trained once more, and keeps its first numbers (store.py). What training goes on
from can be kept along, packed as `<name>.safetensors.gz`: a sparse ticket's tensors are small, and the rounds
before it need not be trained again.
"""

import gzip
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lthbench.errors import BLOCKED, UserError
from lthbench.files import write_bytes
from lthbench.results import store
from lthbench.results.store import PACKED, Record
from lthbench.results.tidy import device_kind
from lthbench.words import shown

PLACE = re.compile(r"[a-z][a-z0-9-]*/seed-[0-9]{1,9}/units/[A-Za-z0-9][A-Za-z0-9_-]*/b[0-9]+-[a-z0-9-]+\.json")


@dataclass(frozen=True)
class Placed:
    """One verified record: where it lies, and where below `results` it belongs (with the ending .json)."""

    file: Path
    place: Path
    record: Record

    @property
    def experiment(self) -> Path:
        """Suite, seed and experiment: what must come from one kind of device."""
        return self.place.parent

    @property
    def tensors(self) -> Path:
        """The tensors beside the record, packed where only such are there; they may be absent."""
        plain = self.file.with_name(self.place.stem + ".safetensors")
        packed = plain.with_name(plain.name + ".gz")
        return packed if packed.exists() and not plain.exists() else plain

    @property
    def cell(self) -> str:
        """Arm and level, as in the record's name."""
        return f"{self.record.arm}-{self.record.level}"


def records(folder: Path) -> Iterator[Placed]:
    """The records of a slice, verified. Raises RecordError for a damaged one, UserError where there is none."""
    root = folder / "results" if (folder / "results").is_dir() else folder
    files = sorted(file for ending in (".json", PACKED) for file in root.glob(f"*/seed-*/units/*/*{ending}"))
    if not files:
        raise UserError(f"{folder}: no unit records in results/SUITE/seed-N/units; name the folder given as --out")
    for file in files:
        name = file.name.removesuffix(PACKED).removesuffix(".json") + ".json"
        yield checked(Placed(file, file.relative_to(root).with_name(name), store.read(file)))


def checked(placed: Placed) -> Placed:
    """A record lies where its name and content say: somebody else's slice cannot put it elsewhere."""
    place, record = placed.place, placed.record
    address = f"-{record.arm}-{record.level}-{record.key}"
    if not PLACE.fullmatch(place.as_posix()):
        raise UserError(f"{placed.file}: not results/SUITE/seed-N/units/EXPERIMENT/RECORD; rename or remove it")
    if record.experiment != place.parent.name or not place.stem.endswith(address):
        raise UserError(
            f"{placed.file}: holds the record of {shown(record.experiment)}{shown(address)}; remove it"
        )
    return placed


def merge(
    out: Path, slices: Sequence[Path], without_tensors: bool = False, keep: Collection[str] = ()
) -> list[tuple[str, int]]:
    """Copy what OUT lacks from the slices; the suites and seeds that now have records there.

    `without_tensors` packs the records and leaves out the tensors, but for those of cells to `keep` (ticket-7).
    Raises UserError, before anything is copied, where records contradict one another, devices are mixed, or no
    tensors of a cell to keep are there.
    """
    there = {placed.place: placed for placed in records(out)} if has_records(out) else {}
    joined = dict(there)
    for folder in slices:
        for placed in records(folder):
            joined[placed.place] = same(joined.get(placed.place), placed)
    one_kind(joined.values())
    tensors_there(joined.values(), keep)
    for place, placed in joined.items():
        if without_tensors:
            pack(placed, out / "results" / place, placed.cell in keep)
        else:
            copy(placed, out / "results" / place)
    return sorted({(place.parts[0], int(place.parts[1].removeprefix("seed-"))) for place in joined})


def tensors_there(joined: Iterable[Placed], keep: Collection[str]) -> None:
    """Refuse to keep what no slice has."""
    cells = {placed.cell for placed in joined if placed.tensors.exists()}
    for cell in sorted(set(keep) - cells):
        has = ", ".join(sorted(cells)) or "none at all"
        raise UserError(f"--keep {shown(cell)}: no tensors of such a cell in the slices; there are: {has}")


def has_records(folder: Path) -> bool:
    """Whether there is anything to merge with."""
    return any((folder / "results").glob("*/seed-*/units/*/*.json*"))


def same(first: Placed | None, second: Placed) -> Placed:
    """Of two records of one unit, the one with tensors, or that tells more; refuses two with different numbers."""
    if first is None:
        return second
    if content(first.record) != content(second.record):
        raise UserError(
            f"{first.file} and {second.file}: the same unit with different numbers; keep one of them "
            "(two machines trained it: their bits differ)",
            BLOCKED,
        )
    return max(first, second, key=lambda each: (each.tensors.exists(), "again" in each.record.provenance))


def content(record: Record) -> tuple[object, ...]:
    """What two records of one unit must agree on: everything but who measured it and when."""
    return (record.key, record.experiment, record.arm, record.level, record.rows, record.tensors)


def one_kind(joined: Iterable[Placed]) -> None:
    """Refuse an experiment whose units come from several kinds of device."""
    first: dict[Path, Placed] = {}
    for each in joined:
        other = first.setdefault(each.experiment, each)
        kinds = device_kind(other.record.provenance), device_kind(each.record.provenance)
        if kinds[0] != kinds[1]:
            raise UserError(
                f"{other.file} is from {kinds[0]}, {each.file} from {kinds[1]}: replicates of one contrast come "
                "from one kind of device;\nmerge each kind into a folder of its own",
                BLOCKED,
            )


def copy(placed: Placed, target: Path) -> None:
    """Put one record into its place, tensors first, so that a record that is there is complete."""
    tensors = target.with_suffix(".safetensors")
    if placed.tensors.exists() and not tensors.exists():
        write_bytes(tensors, blob_of(placed))
    if placed.file != target:
        write_bytes(target, store.unpacked(placed.file))


def pack(placed: Placed, target: Path, with_tensors: bool) -> None:
    """The same, packed."""
    tensors = target.with_name(target.stem + ".safetensors.gz")
    if with_tensors and placed.tensors.exists() and not tensors.exists():
        write_bytes(tensors, gzip.compress(blob_of(placed), mtime=0))
    packed = target.with_name(target.stem + PACKED)
    if placed.file != packed:
        write_bytes(packed, gzip.compress(store.unpacked(placed.file), mtime=0))


def blob_of(placed: Placed) -> bytes:
    """The tensors of a record: those that it names, and readable ones. Raises RecordError."""
    blob = store.verified_blob(placed.tensors, placed.record)
    store.arrays(placed.tensors, blob)
    return blob
