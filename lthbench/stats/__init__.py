"""From one number per replicate to a decision: tests, intervals, power, multiplicity and gates.

Pure functions on numpy arrays; nothing here reads files, trains or draws. Import from the modules.
"""
