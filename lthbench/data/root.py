"""Where data sets that have to be downloaded are kept, and looked for first."""

import os
from pathlib import Path

from lthbench.data.cache import cache_root


def data_root() -> Path:
    """Return the data root: $LTHBENCH_DATA (which --data sets), or else `data` in the cache folder."""
    chosen = os.environ.get("LTHBENCH_DATA")
    return Path(chosen).expanduser() if chosen else cache_root() / "data"
