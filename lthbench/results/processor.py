"""What this machine's processor is called, as records, rates and reports know it."""

import platform
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


@cache
def processor() -> str:
    """Name, family and model, as far as the system tells: `AMD EPYC (family 25, model 17)`.

    Clouds hide the model behind one name. Three generations of "AMD EPYC" differ in speed by a factor of two, and
    in the order of a sum's terms, hence in the bits of what they train.
    """
    try:
        first = CPUINFO.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        first = []
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first)}
    name = said.get("model name") or platform.processor() or platform.machine()
    numbers = {"family": said.get("cpu family"), "model": said.get("model")}
    known = ", ".join(f"{word} {number}" for word, number in numbers.items() if number)
    return f"{name} ({known})" if known else name
