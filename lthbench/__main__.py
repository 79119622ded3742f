"""`python -m lthbench`."""

from lthbench.cli import main

main()
