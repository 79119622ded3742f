"""The one error of this room."""


class CriterionError(ValueError):
    """A criterion cannot be used; the one-line message says why and what to do."""
