"""The tiny suite's fixtures, for all tests here."""

from tiny_suite import claims_dir, environment, finished_run, lthbench, plain_run

__all__ = ["claims_dir", "environment", "finished_run", "lthbench", "plain_run"]
