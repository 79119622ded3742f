"""lthbench turns sentences of the lottery-ticket literature into pre-registered statistical decisions."""

__version__ = "0.1.0"
