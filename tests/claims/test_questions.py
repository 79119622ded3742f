import shutil

import pytest
import yaml

from lthbench.claims.load import ClaimFileError, default_folder, load
from lthbench.claims.questions import FILE

SHIPPED = load()


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(default_folder(), tmp_path / "claims")


def refused(folder, change, message: str) -> None:
    file = folder / FILE
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ClaimFileError) as error:
        load(folder)
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)


def test_every_shipped_claim_stands_under_one_question() -> None:
    assert sorted(SHIPPED.questions.named) == sorted(SHIPPED.claims), f"put the claim under a question of {FILE}"


def test_a_claim_under_two_questions_is_refused(folder) -> None:
    refused(folder, lambda c: c["questions"][1]["claims"].append("FC-1"), "the claim FC-1 is there twice")


def test_a_name_that_is_no_claim_is_refused(folder) -> None:
    refused(
        folder,
        lambda c: c["questions"][0]["claims"].append("FC-l"),
        "there is no claim 'FC-l'; add FC-l.yaml or take it out",
    )


def test_the_hypothesis_stands_under_a_question(folder) -> None:
    refused(folder, lambda c: c["hypothesis"].append("XX-9"), "XX-9 stands under no question")


def test_unknown_keys_are_refused(folder) -> None:
    refused(folder, lambda c: c["questions"][0].update(answer="yes"), "unknown key")


def test_a_folder_of_claims_needs_no_questions(folder) -> None:
    (folder / FILE).unlink()
    assert load(folder).questions is None
