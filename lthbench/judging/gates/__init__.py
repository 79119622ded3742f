"""Structural gates: what must hold before the numbers of a claim mean anything. Torch-free."""
