"""How often would a verdict be wrong: the registered designs, simulated through the real decision rules.

Nothing here trains or judges results; import from the modules.
"""
