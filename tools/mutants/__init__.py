"""Known bugs as injectable faults, and what of ours notices each: tests, gates, verdicts."""
