"""Settings for all tests: machines are noisy, so no test fails for being slow."""

from hypothesis import settings

settings.register_profile("lthbench", deadline=None)
settings.load_profile("lthbench")
