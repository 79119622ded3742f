"""Judging: tidy tables and claim files in, verdicts out. Torch-free; never trains, never draws."""
