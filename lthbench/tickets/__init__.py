"""The procedures: how each arm gets its mask and its weights, and how one unit of work is run."""
