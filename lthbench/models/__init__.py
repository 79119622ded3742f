"""Networks: what their parameters are, which of them may be pruned, how they are initialised."""
