"""How fast things are, beside their arithmetic floor and the ordinary way: `python -m tools.benchmarks`."""
