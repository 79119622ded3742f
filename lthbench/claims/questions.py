"""The schema of claims/questions.yaml: which question each claim helps to answer, for pages in that order."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lthbench.claims.schema import Strict

FILE = "questions.yaml"


class Question(Strict):
    """One question, and the claims that help to answer it, the most direct one first."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,31}$")]
    asks: str = Field(max_length=80)
    claims: Annotated[list[str], Field(min_length=1)]


class Questions(Strict):
    """All questions, in the order of the page; `hypothesis` names the claims that state the hypothesis itself."""

    id: Literal["questions"]
    title: str = Field(max_length=80, description="the question that people bring")
    hypothesis: Annotated[list[str], Field(min_length=1, description="their verdicts are the answer to the title")]
    questions: Annotated[list[Question], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> "Questions":
        for what, names in (("the question", [q.id for q in self.questions]), ("the claim", self.named)):
            twice = [name for name, times in Counter(names).items() if times > 1]
            if twice:
                raise ValueError(f"questions: {what} {', '.join(twice)} is there twice")
        strangers = [name for name in self.hypothesis if name not in self.named]
        if strangers:
            raise ValueError(f"hypothesis: {', '.join(strangers)} stands under no question; add it to one")
        return self

    @property
    def named(self) -> list[str]:
        """Every claim that stands under a question, in order."""
        return [claim for question in self.questions for claim in question.claims]
