"""From claims to units of work, and the run that asks for them. Torch-free."""
