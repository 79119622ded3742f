"""Data sets as numpy arrays: generated, embedded or the user's own. Nothing in here needs torch."""
