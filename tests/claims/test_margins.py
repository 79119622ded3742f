"""Every margin says which rule it follows, and those that follow none are known by name."""

import pytest
import yaml

from lthbench.calibration.store import registration_key
from lthbench.claims import own
from lthbench.claims.load import ClaimFileError, Registry, default_folder, load
from lthbench.claims.schema import NO_RULE, margin_words
from lthbench.recipe.experiment import Pruning
from lthbench.report.explain import explain

SHIPPED = load()
RULES = {
    (claim.id, suite, line.id): line.margin_rule
    for claim in SHIPPED.claims.values()
    for suite, registration in claim.suites.items()
    for line in registration.hypotheses
}
# A new one is noticed here: give it a margin by rule, or write down that it has none.
WITHOUT_RULE = {
    ("FC-4", "cpu"): ["H1"],
    ("FC-4", "cpu-paper"): ["H1"],
    ("FC-5", "cpu-long"): ["H1", "H2"],
    ("FC-5", "cpu-paper"): ["H1", "H2"],
    ("LI-1", "cpu-long"): ["H1"],
    ("LI-1", "published"): ["H6", "H7", "H8"],
    ("LIU-1", "cpu-long"): ["H1"],
    ("LIU-1", "published"): ["H1", "H2", "H3", "H4", "H5", "H6"],
    ("LIU-3", "cpu-long"): ["H1"],
    ("LMC-1", "full"): ["H2", "H3"],
    ("LMC-1", "images"): ["H1"],
    ("LMC-1", "quick"): ["H2"],
    ("MO-1", "cpu-long"): ["H1", "H3"],
    ("P2-4", "cpu"): ["H2"],
    ("P2-7", "cpu-long"): ["H1"],
    ("PA-1", "field"): ["H2"],
    ("PA-1", "images"): ["H2"],
    ("PAI-2", "cpu-long"): ["H1"],
    ("RA-1", "cpu-long"): ["H1", "H2", "H3"],
    ("ST-1", "published"): ["H3"],
    ("ST-1t", "published"): ["H1", "H2", "H3", "H4", "H5", "H6", "H7"],
    ("ST-1", "quick"): ["H1"],
}
# Network by network, what the literature calls a match, a clear gap, a faster start, a stable network.
LITERATURE = {0.2, 0.3, 0.5, 1.0, 1.5, 0.223, 2}


def test_the_margins_without_a_rule_are_these() -> None:
    found = [key for key, rule in RULES.items() if rule == "none"]
    assert sorted(found) == sorted((*key, line) for key, lines in WITHOUT_RULE.items() for line in lines)


def test_a_margin_of_the_literature_is_one_that_the_literature_has() -> None:
    lines = {
        (c.id, s, h.id): h for c in SHIPPED.claims.values() for s, r in c.suites.items() for h in r.hypotheses
    }
    assert {lines[key].delta for key, rule in RULES.items() if rule == "literature"} == LITERATURE


def test_a_quarter_is_at_most_a_quarter_of_the_effect_that_was_measured() -> None:
    quarters = [key for key, rule in RULES.items() if rule == "quarter"]
    assert len(quarters) == 31
    for claim, suite, line_id in quarters:
        line = next(h for h in SHIPPED.claims[claim].suites[suite].hypotheses if h.id == line_id)
        if line.test == "superiority":  # a match may lose a quarter of another contrast, dense minus reinit
            assert line.delta <= line.expected.effect / 4
        else:
            matches = {
                ("EV-1", "field"): (2, "9.52 / 4 = 2.38 pp"),
                ("FC-1", "quick"): (1.5, "12.37 / 4 = 3.09 pp"),
                ("PA-1", "field"): (1.3, "as registered for ST-2 in suite quick"),
                ("PA-1", "images"): (0.45, "(1.82 / 4)"),
                ("PAI-2s", "shortcuts"): (1.3, "5.406 / 4 = 1.352 pp"),
                ("SI-1", "H2"): (2.6, "10.638 / 4 = 2.660 pp"),
                ("SI-1", "H4"): (1.2, "4.897 / 4 = 1.224 pp"),
                ("ST-2", "quick"): (1.3, "5.27 / 4 = 1.32 pp"),
                ("ST-2f", "images"): (0.45, "1.82 / 4 = 0.455 pp"),
            }
            delta, said = matches.get((claim, line_id)) or matches[claim, suite]
            assert line.delta == delta
            assert said in line.margin_from


def test_a_hypothesis_without_a_rule_is_refused(tmp_path) -> None:
    content = yaml.safe_load((default_folder() / "FC-6.yaml").read_text())
    del content["suites"]["quick"]["hypotheses"][0]["margin_rule"]
    (tmp_path / "FC-6.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ClaimFileError, match=r"hypotheses\.0\.margin_rule: missing"):
        load(tmp_path)


def with_rule(rule: str) -> Registry:
    """The shipped registry with another word for every margin of ST-2."""
    claim = SHIPPED.claims["ST-2"]
    quick = claim.suites["quick"]
    lines = [line.model_copy(update={"margin_rule": rule}) for line in quick.hypotheses]
    changed = claim.model_copy(update={"suites": {"quick": quick.model_copy(update={"hypotheses": lines})}})
    return Registry(SHIPPED.claims | {"ST-2": changed}, SHIPPED.suites, SHIPPED.experiments)


def test_the_word_is_no_number_of_the_registration() -> None:
    assert registration_key(with_rule("quarter"), "quick") == registration_key(SHIPPED, "quick")


@pytest.mark.parametrize(("rule", "times"), [("none", 3), ("quarter", 0), ("literature", 0)])
def test_explain_says_which_margins_follow_no_rule(rule, times) -> None:
    told = " ".join(explain(with_rule(rule), "ST-2", "quick", None, "nothing").split())
    assert told.count(NO_RULE) == times
    assert told.count("margin from: ") == 3


def test_the_words_of_a_margin() -> None:
    assert margin_words("planned", "none") == f"planned; {NO_RULE}"
    assert margin_words("planned", "quarter") == margin_words("planned", None) == "planned"


def test_on_a_network_of_ones_own_no_margin_follows_a_rule_and_no_published_size_corresponds() -> None:
    for claim in ("FC-1", "FC-6", "FC-7"):
        written = own.claim_of(SHIPPED.claims[claim], "quick", 8, 5, Pruning("layer-wise", 0.2))
        assert {line["margin_rule"] for line in written["suites"]["own"]["hypotheses"]} == {"none"}
        assert len(written["published"]) == len(SHIPPED.claims[claim].published) > 0
        assert not any({"hypothesis", "suites"} & set(effect) for effect in written["published"])
