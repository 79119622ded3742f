"""What a ticket file says about where networks start, read from its header alone. Torch-free."""

from typing import Literal

from safetensors import SafetensorError, safe_open

from lthbench.errors import UserError

Starts = Literal["all", "ticket", "mask"]


def starts_of(ticket: str) -> Starts:
    """Who starts from a file's weights: every arm, the ticket alone (its pruned weights are gone), or nobody."""
    try:
        with safe_open(ticket, "np") as file:
            names = list(file.keys())
    except (OSError, SafetensorError) as error:
        raise UserError(f"{ticket}: cannot be read as a ticket ({' '.join(str(error).split())})") from None
    masks, start, dense = (
        {n.partition("/")[2] for n in names if n.startswith(p)} for p in ("mask/", "start/", "dense/")
    )
    if not start:
        return "mask"
    return "all" if masks <= dense else "ticket"
