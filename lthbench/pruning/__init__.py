"""Masks: exact counts, magnitude pruning, random masks."""
