"""The method that finds nothing anew: the ticket is there, in the file that the experiment names."""

from pathlib import Path

from lthbench.tickets.fitted import fitted
from lthbench.tickets.method import Problem, Ticket

METHOD = f"{__name__}:find"


def find(problem: Problem) -> Ticket:
    """The ticket of the experiment's file, the same for every replicate; without start weights its mask alone."""
    ticket = fitted(Path(problem.file), problem.module())
    return Ticket(ticket.mask, ticket.start or None)
