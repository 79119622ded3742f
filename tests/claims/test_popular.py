import shutil

import pytest
import yaml

from lthbench.claims.load import ClaimFileError, default_folder, load
from lthbench.claims.popular import FILE

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
    assert "\n" not in str(error.value)


def test_every_sentence_of_the_five_accounts_is_there_once() -> None:
    ids = [own for statement in SHIPPED.popular.statements for own in statement.ids]
    counts = {"P0": 14, "P1": 9, "P2": 9, "P3": 9, "P4": 11}
    assert sorted(ids) == sorted(f"{account}-{i + 1}" for account, n in counts.items() for i in range(n))


def test_no_claim_is_both_a_file_and_not_registered() -> None:
    both = set(SHIPPED.popular.not_registered) & set(SHIPPED.claims)
    assert not both, f"{', '.join(sorted(both))}: has a file now; remove it from not_registered in {FILE}"
    assert set(SHIPPED.popular.not_registered) <= set(SHIPPED.popular.named)


def test_a_claim_folder_may_do_without(folder) -> None:
    (folder / FILE).unlink()
    assert load(folder).popular is None


def test_unknown_keys_are_refused(folder) -> None:
    refused(folder, lambda c: c["statements"][0].update(verdict="PASS"), "statements.0.verdict: unknown key")


def test_ids_are_unique(folder) -> None:
    refused(folder, lambda c: c["statements"][1]["ids"].append("P0-1"), "P0-1 is there twice")


def test_ids_name_an_account(folder) -> None:
    refused(folder, lambda c: c["statements"][0].update(ids=["P7-1"]), "accounts: P7 is missing")


def test_a_claim_exists_or_is_said_not_to(folder) -> None:
    refused(folder, lambda c: c["statements"][0].update(claims=["ZZ-9"]), "there is no claim 'ZZ-9'")


def test_something_becomes_of_every_sentence(folder) -> None:
    refused(folder, lambda c: c["statements"][0].update(claims=[]), "or else not_tested and the reason")


def test_a_sentence_is_not_both_tested_and_not(folder) -> None:
    refused(folder, lambda c: c["statements"][0].update(not_tested="no"), "or else not_tested and the reason")
