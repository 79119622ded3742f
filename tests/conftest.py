"""Settings for all tests: machines are noisy, so no test fails for being slow."""

import copy
import functools
import os
import signal
from typing import Any

import yaml
from hypothesis import settings

settings.register_profile("lthbench", deadline=None)
settings.load_profile("lthbench")

# As many processes as cores run tests: one thread each, said before anything imports torch.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

# Hundreds of tests read the same claim files, which takes half a second each time: a text is parsed once.
parse, parsed = yaml.load, functools.lru_cache(maxsize=500)(yaml.load)


def load(stream: Any, Loader: Any) -> Any:
    """What `yaml.load` gives, a copy of one's own."""
    return copy.deepcopy(parsed(stream, Loader)) if isinstance(stream, str) else parse(stream, Loader)


yaml.load = load

# Started in the background, a shell has us ignore Ctrl-C, and our children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
