"""What a record says about the machine that made it."""

from pathlib import Path

import pytest
import torch

from lthbench.drive import speed
from lthbench.results import processor
from lthbench.results.provenance import called

ZEN_3 = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n"
ZEN_4 = ZEN_3.replace("model\t\t: 1\n", "model\t\t: 17\n")
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU part\t: 0xd40\n"


def name_in(text: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    file = folder / "cpuinfo"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(processor, "CPUINFO", file)
    monkeypatch.setattr("platform.processor", lambda: "aarch64")
    return processor.processor.__wrapped__()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (ZEN_3, "AMD EPYC (family 25, model 1)"),
        (f"{ZEN_4}\n{ZEN_3}", "AMD EPYC (family 25, model 17)"),  # its first core speaks for all
        (ARM, "aarch64"),
        (None, "aarch64"),  # no Linux
    ],
)
def test_generations_of_one_name_are_told_apart(
    text: str | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name_in(text, tmp_path, monkeypatch) == name


def test_records_and_speeds_know_a_processor_by_one_name() -> None:
    assert called(torch.device("cpu")) == processor.processor()
    assert speed.machine(2, "cpu").startswith(f"{processor.processor()}, 2 of ")
