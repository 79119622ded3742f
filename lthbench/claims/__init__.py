"""Claims, suites and experiments as files: their schema, and loading them with checks."""
