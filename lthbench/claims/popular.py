"""The schema of claims/popular.yaml: sentences of popular accounts, what papers say, which claim tests each."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lthbench.claims.schema import Strict

FILE = "popular.yaml"
Judgement = Literal["OK", "imprecise", "wrong"]
Accounting = Literal["search", "storage", "latency"]


class Statement(Strict):
    """One sentence, as several accounts may make it, and what becomes of it here.

    It is tested by `claims`, measured by `accounting`, asserted by `checked_by` (a structural fact), or
    `not_tested` says why nothing does.
    """

    ids: Annotated[list[Annotated[str, Field(pattern=r"^P[0-9]-[0-9]{1,2}$")]], Field(min_length=1)]
    says: str = Field(max_length=300, description="paraphrase, with the account's own words in quotation marks")
    judgement: Judgement
    paper: str = Field(max_length=400, description="what the papers say")
    claims: list[str] = Field([], description="ids of the claims that test it, or part of it")
    accounting: list[Accounting] = Field([], description="sections of what a ticket costs that measure it")
    checked_by: str | None = Field(None, description="the test or gate that asserts it")
    not_tested: str | None = Field(None, description="why nothing tests it")

    @model_validator(mode="after")
    def _something_becomes_of_it(self) -> "Statement":
        if bool(self.claims or self.accounting or self.checked_by) == bool(self.not_tested):
            raise ValueError("give claims, accounting or checked_by, or else not_tested and the reason")
        return self


class Popular(Strict):
    """All sentences, the accounts they come from by the first part of an id, and claims that are no file yet."""

    id: Literal["popular"]
    accounts: dict[str, str]
    not_registered: dict[str, str] = Field(description="claims named below that have no file: why not")
    statements: Annotated[list[Statement], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_are_unique_and_known(self) -> "Popular":
        ids = [own for statement in self.statements for own in statement.ids]
        twice = [own for own, times in Counter(ids).items() if times > 1]
        if twice:
            raise ValueError(f"statements: {', '.join(twice)} is there twice")
        strangers = {own.partition("-")[0] for own in ids} - set(self.accounts)
        if strangers:
            raise ValueError(
                f"accounts: {', '.join(sorted(strangers))} is missing; say what kind of account it is"
            )
        return self

    @property
    def named(self) -> list[str]:
        """Every claim that a statement names, each once."""
        return list(dict.fromkeys(claim for statement in self.statements for claim in statement.claims))
