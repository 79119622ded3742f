"""Settings for all tests: machines are noisy, so no test fails for being slow."""

import signal

from hypothesis import settings

settings.register_profile("lthbench", deadline=None)
settings.load_profile("lthbench")

# Started in the background, a shell has us ignore Ctrl-C, and our children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
