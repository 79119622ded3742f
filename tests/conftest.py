"""Settings for all tests: machines are noisy, so no test fails for being slow."""

import os
import signal

from hypothesis import settings

settings.register_profile("lthbench", deadline=None)
settings.load_profile("lthbench")

# As many processes as cores run tests: one thread each, said before anything imports torch.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

# Started in the background, a shell has us ignore Ctrl-C, and our children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
