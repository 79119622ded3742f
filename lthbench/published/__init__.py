"""Other groups' released results, and the adapters that bring them into the results format."""
