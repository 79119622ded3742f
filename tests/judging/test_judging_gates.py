"""A failed gate is BLOCKED, whatever the numbers say, and names what is wrong."""

import dataclasses

import judging_lab as lab
import pandas as pd
import pytest
from scipy import stats

from lthbench.judging.judge import judge

TICKET = lab.line("ticket@2", "reinit@2")
RANDOM = lab.line("ticket@2", "random-mask@2")
EARLY = lab.line("ticket@2", "reinit@2", endpoint="early_stop_iteration")
OTHER = lab.claim("P-9", lab.line("ticket@2", "dense@0", "non-inferiority"), on="other")
CLEAR = lab.spread(sd=0.3)
BOTH = pytest.mark.parametrize("scope", ["layer-wise", "global"])
EFFECTS = pytest.mark.parametrize("effect", [3.0, -3.0])


def judged(line, change, scope="layer-wise", effect=3.0):
    """The claim on `toy`, and an untouched one on `other`."""
    found = lab.registry(lab.claim("P-1", line), OTHER, scope=scope)

    def on_toy(frame):
        toy = frame[frame["experiment"] == "toy"].reset_index(drop=True)
        changed = change(toy)
        rest = frame[frame["experiment"] == "other"]
        return pd.concat([toy if changed is None else changed, rest], ignore_index=True)

    accuracies = {"ticket@2": lab.BASE + effect + CLEAR}
    return judge(found, "toys", 0, lab.table(found, accuracies, on_toy))


def blocked(line, change, *says, scope="layer-wise", effect=3.0) -> None:
    sound = judged(line, lambda _: None, scope, effect).claims[0]
    assert sound.verdict == ("PASS" if effect > 0 else "FAIL")
    assert all(gate.passed for gate in sound.gates)
    result = judged(line, change, scope, effect)
    assert result.claims[0].verdict == "BLOCKED"
    for words in says:
        assert words in result.claims[0].why, result.claims[0].why
    untouched = judged(line, lambda _: None, scope, effect).claims[1]
    assert result.claims[1].verdict == untouched.verdict != "BLOCKED"
    assert result.exit_code == 4


@EFFECTS
@pytest.mark.parametrize("cell", ["ticket@2", "reinit@2", "ticket@1", "dense@0"])
def test_a_diverged_run(cell, effect) -> None:
    change = lab.setting(cell, "final_test_accuracy", None, replicate=3)
    blocked(TICKET, change, "toy: no diverged run", f"of {cell}", "not finite", effect=effect)


@EFFECTS
@pytest.mark.parametrize("cell", ["ticket@2", "reinit@2", "ticket@1"])
def test_a_run_whose_loss_diverged(cell, effect) -> None:
    """Its accuracy is a number all the same: an argmax of what is not a number."""
    change = lab.setting(cell, "validation_loss", None, replicate=9, draw=0)
    blocked(TICKET, change, "toy: no diverged run", f"of {cell}", "not finite", effect=effect)


@EFFECTS
@pytest.mark.parametrize("cell", ["ticket@2", "reinit@2", "ticket@1"])
def test_an_arm_that_does_not_train(cell, effect) -> None:
    def half(frame):
        hit = lab.where(frame, cell, "final_test_accuracy") & (frame["replicate"] % 2 == 0)
        frame.loc[hit, "value"] = 15.0
        return frame

    runs = 20 if cell == "reinit@2" else 10
    blocked(TICKET, half, "no arm at chance", f"{runs // 2} of {runs} of {cell}", effect=effect)


@EFFECTS
@pytest.mark.parametrize("cell", ["ticket@2", "reinit@2"])
def test_one_run_at_chance_is_a_result_and_is_counted(cell, effect) -> None:
    """A gate that blocked on it would select on the outcome."""
    sound = judged(TICKET, lambda _: None, effect=effect).claims[0]
    result = judged(TICKET, lab.setting(cell, "final_test_accuracy", 15.0, replicate=9, draw=0), effect=effect)
    (found,) = result.claims[0].collapses
    runs = 20 if cell == "reinit@2" else 10
    assert (found.cell, found.collapsed, found.runs, found.floor) == (f"toy:{cell}", 1, runs, 15.0)
    assert (found.low, found.high) == pytest.approx(stats.binomtest(1, runs).proportion_ci(method="exact"))
    assert sound.collapses == []
    assert all(gate.passed for gate in result.claims[0].gates)
    assert result.claims[0].hypotheses[0].evidence["mean"] != sound.hypotheses[0].evidence["mean"]


COLLAPSE = {"collapse": {"floor": 20, "at_most": 0.1}}


def clipped(change, clip=2.0):
    found = lab.registry(lab.claim("P-1", TICKET | {"clip": clip}, registered=COLLAPSE))
    return judge(found, "toys", 0, lab.table(found, {"ticket@2": lab.BASE + 3 + CLEAR}, change)).claims[0]


def test_a_registered_clip_limits_what_one_collapse_counts() -> None:
    collapse = lab.setting("reinit@2", "final_test_accuracy", 12.0, replicate=9)
    sound, result = clipped(lambda _: None), clipped(collapse)
    delta = TICKET["delta"]
    assert max(result.hypotheses[0].d) > 40  # as measured
    evidence = result.hypotheses[0].evidence
    assert evidence["clipped_mean"] <= 2 * delta < evidence["mean"]  # a control at chance does not win the claim
    assert result.hypotheses[0].clip == 2
    assert [(c.cell, c.collapsed) for c in result.collapses] == [("toy:ticket@2", 0), ("toy:reinit@2", 2)]
    assert [c.collapsed for c in sound.collapses] == [0, 0]
    assert (sound.verdict, result.verdict) == ("PASS", "PASS")


def test_more_collapses_than_registered_block() -> None:
    def some(count):
        def change(frame):
            hit = lab.where(frame, "ticket@2", "final_test_accuracy") & (frame["replicate"] < count)
            frame.loc[hit, "value"] = 18.0  # above one and a half times chance, below the registered floor
            return frame

        return change

    assert clipped(some(3)).verdict != "BLOCKED"  # the bound of 3 of 10 is 8.7 %
    found = clipped(some(4))  # and that of 4 of 10 is 15 %
    assert found.verdict == "BLOCKED"
    assert "4 of 10 of ticket@2 ended at or below 20 %: more than the registered 10 %" in found.why


def test_a_clip_needs_a_registered_floor() -> None:
    with pytest.raises(ValueError, match=r"collapse: missing; H1 is clipped"):
        lab.registry(lab.claim("P-1", TICKET | {"clip": 2.0}))


@EFFECTS
@pytest.mark.parametrize("accuracy", [49.9, 70.1])
def test_dense_accuracy_outside_its_band(accuracy, effect) -> None:
    change = lab.setting("dense@0", "final_test_accuracy", accuracy)
    blocked(TICKET, change, "toy: dense accuracy in its band", "outside the band 50 to 70", effect=effect)


@pytest.mark.parametrize("accuracy", [50.0, 70.0])
def test_dense_accuracy_at_the_edge_of_its_band(accuracy) -> None:
    change = lab.setting("dense@0", "final_test_accuracy", accuracy)
    assert judged(TICKET, change).claims[0].verdict == "PASS"


@BOTH
@EFFECTS
@pytest.mark.parametrize(
    ("cell", "which"),
    [("ticket@2", {"replicate": 0}), ("ticket@1", {"replicate": 5}), ("reinit@2", {"replicate": 9, "draw": 1})],
)
@pytest.mark.parametrize("by", [1, -1])
def test_one_weight_too_many_or_too_few(cell, which, by, scope, effect) -> None:
    def change(frame):
        frame.loc[lab.where(frame, cell, "nonzero:out.weight", **which), "value"] += by

    label = "all" if scope == "global" else "out.weight"
    says = "weights remaining at the end of training", f"1 of {8 if scope == 'layer-wise' else 4} counts", (
        f"{cell} {label}"
    )  # fmt: skip
    blocked(TICKET, change, *says, scope=scope, effect=effect)


def test_a_dense_network_that_lost_weights() -> None:
    def change(frame):
        frame.loc[lab.where(frame, "dense@0", "nonzero:fc1.weight", replicate=2), "value"] -= 1

    blocked(TICKET, change, "dense@0 fc1.weight: 79 instead of 80")


@EFFECTS
@pytest.mark.parametrize("draw", [0, 1])
def test_a_control_that_does_not_wear_the_tickets_mask(draw, effect) -> None:
    """M10: the reinitialised network was pruned by itself."""
    change = lab.setting("reinit@2", "mask_crc32", 77.0, replicate=6, draw=draw)
    blocked(TICKET, change, "toy: mask of reinit@2", "differ in 1 of 20", effect=effect)


@pytest.mark.parametrize("cell", ["ticket@2", "ticket@1"])
def test_replicates_that_are_one_and_the_same(cell) -> None:
    """M9b: all replicates got the same random numbers."""

    def change(frame):
        for worn in (cell, "reinit@2") if cell == "ticket@2" else (cell,):
            mine, theirs = (lab.where(frame, worn, "mask_crc32", replicate=r) for r in (7, 2))
            frame.loc[mine, "value"] = frame.loc[theirs, "value"].to_numpy()

    blocked(TICKET, change, f"toy: replicates of {cell} differ", "10 replicates have 9 different masks")


def test_a_control_that_wears_another_replicates_mask() -> None:
    def change(frame):
        mine, theirs = (lab.where(frame, "reinit@2", "mask_crc32", replicate=r) for r in (1, 2))
        values = frame.loc[mine, "value"].to_numpy(), frame.loc[theirs, "value"].to_numpy()
        frame.loc[mine, "value"], frame.loc[theirs, "value"] = values[1], values[0]

    blocked(TICKET, change, "toy: mask of reinit@2", "differ in 4 of 20")


@pytest.mark.parametrize("arm", ["reinit-rescaled", "shuffled"])
def test_other_controls_that_wear_the_tickets_mask(arm) -> None:
    line = lab.line("ticket@2", f"{arm}@2")
    blocked(line, lab.setting(f"{arm}@2", "mask_crc32", 77.0, replicate=0), f"toy: mask of {arm}@2")


@EFFECTS
@pytest.mark.parametrize("draw", [0, 1])
def test_a_random_mask_that_is_the_tickets(draw, effect) -> None:
    change = lab.setting("random-mask@2", "mask_crc32", 2004.0, replicate=4, draw=draw)
    blocked(RANDOM, change, "toy: mask of random-mask@2", "equals the ticket's or another draw's", effect=effect)


def test_a_random_mask_that_is_another_draws() -> None:
    change = lab.setting("random-mask@2", "mask_crc32", 50_040.0, replicate=4)
    blocked(RANDOM, change, "equals the ticket's or another draw's")


def test_a_random_mask_with_other_layer_densities() -> None:
    """As many weights in total, but not in each layer (global pruning: the ladder cannot see it)."""

    def change(frame):
        for metric, by in (("nonzero:fc1.weight", 1), ("nonzero:out.weight", -1)):
            frame.loc[lab.where(frame, "random-mask@2", metric, replicate=3, draw=1), "value"] += by

    blocked(RANDOM, change, "toy: mask of random-mask@2", "is not as dense as the ticket's", scope="global")


def test_a_censored_early_stop() -> None:
    def stops(at):
        def change(frame):
            lab.setting("reinit@2", "early_stop_iteration", 10.0)(frame)
            lab.setting("reinit@2", "early_stop_iteration", at, replicate=7, draw=1)(frame)

        return change

    sound = judged(EARLY, stops(20.0)).claims[0]
    assert sound.verdict == "PASS"
    assert "early stop not censored" in [gate.name for gate in sound.gates]
    censored = judged(EARLY, stops(30.0)).claims[0]
    assert censored.verdict == "BLOCKED"
    assert "1 of 30 of early stop do not come before the last evaluation at iteration 30" in censored.why
    # Where nobody speaks of the early stop, nobody minds.
    assert judged(TICKET, stops(30.0)).claims[0].verdict == "PASS"


def test_a_run_that_never_reaches_the_registered_accuracy() -> None:
    slower = lab.line("dense@0", "ticket@2", delta=0.1, endpoint="log_iterations_to_55%")

    def low(frame):
        frame.loc[lab.where(frame, "dense@0", "validation_accuracy", replicate=3), "value"] = 54.9

    blocked(
        slower, low, "H1: threshold reached", "1 of 10 of dense@0 never reach 55 % validation accuracy", effect=5.0
    )
    # A line beside a verdict has no number then, and decides nothing.
    beside = lab.beside(slower, "speed")
    found = lab.registry(lab.claim("P-1", TICKET | {"contrast": {"minuend": "ticket@2", "subtrahend": "dense@0"}},
                                   lines=(beside,)))  # fmt: skip
    result = judge(found, "toys", 0, lab.table(found, {"ticket@2": lab.BASE + 3 + CLEAR}, low)).claims[0]
    assert result.verdict == "PASS"
    assert (result.beside[0].evidence, result.beside[0].decision) == (None, "NOT DECIDED")


def test_a_hypothesis_without_a_number_is_blocked_not_passed() -> None:
    """The accuracy at the end is finite, the one at the early stop is not."""
    line = lab.line("ticket@2", "reinit@2", endpoint="early_stop_test_accuracy")
    blocked(line, lab.setting("ticket@2", "early_stop_test_accuracy", None, replicate=1), "diverged")


def test_gates_look_at_what_a_cell_was_made_from() -> None:
    result = judged(TICKET, lambda _: None).claims[0]
    assert {gate.name.partition(": ")[0] for gate in result.gates} == {"toy"}
    finite = next(gate for gate in result.gates if "no diverged run" in gate.name)
    # An accuracy and three losses of dense, ticket@1, ticket@2 and two draws of reinit.
    assert finite.detail == "All 200 values are finite."


def test_a_blocked_claim_earns_its_family_no_level() -> None:
    """Numbers that mean nothing must not make it easier for another claim to pass."""
    sound = judged(TICKET, lambda _: None)
    assert [claim.verdict for claim in sound.claims] == ["PASS", "PASS"]
    assert [claim.pass_level for claim in sound.claims] == [0.025, 0.025]
    change = lab.setting("reinit@2", "mask_crc32", 1.0, replicate=0, draw=0)
    broken = judged(TICKET, change)
    assert broken.claims[0].verdict == "BLOCKED"
    assert broken.claims[0].p_pass == sound.claims[0].p_pass
    assert broken.claims[1].pass_level == 0.025


# Masks found elsewhere


def transferred(change):
    """A ticket of `other` on `toy`, which claims and gates find through `mask_from`."""
    moved = lab.claim("P-1", lab.line("transferred@2", "dense@0"))
    seen = lab.claim("P-9", lab.line("ticket@2", "dense@0", "non-inferiority"), on="other", kind="secondary")
    found = lab.registry(moved, seen)
    toy = dataclasses.replace(found.experiments["toy"], mask_from="other", paired_with="other")
    found = dataclasses.replace(found, experiments=found.experiments | {"toy": toy})
    table = lab.table(found, {"toy:transferred@2": lab.BASE + 3 + CLEAR}, change)
    return judge(found, "toys", 0, table).claims[0]


def other(metric, value=None):
    """Change the source's ticket, or take it away."""

    def change(frame):
        hit = (frame["experiment"] == "other") & (frame["arm"] == "ticket") & (frame["level"] == 2)
        if value is None:
            return frame[~hit].reset_index(drop=True)
        frame.loc[hit & (frame["metric"] == metric) & (frame["replicate"] == 4), "value"] = value
        return frame

    return change


def test_a_transferred_mask_is_compared_with_the_source_tickets() -> None:
    sound = transferred(None)
    assert sound.verdict == "PASS"
    names = [gate.name for gate in sound.gates]
    assert "toy: mask of transferred@2" in names
    assert "other: dense accuracy in its band" in names  # the source must be sound as well
    result = transferred(other("mask_crc32", 123.0))
    assert result.verdict == "BLOCKED"
    assert "toy: mask of transferred@2" in result.why


def test_a_transferred_claim_is_not_run_without_the_source_ticket() -> None:
    result = transferred(other(""))
    assert result.verdict == "NOT RUN"
    assert "other:ticket@2 0/10" in result.why


def test_the_mask_pruned_at_init_is_what_its_controls_are_compared_with() -> None:
    shuffled = lab.line("pruned-at-init@2", "pruned-at-init-shuffled@2")
    change = lab.setting("pruned-at-init-shuffled@2", "mask_crc32", 2000.0, replicate=0)
    effects = {"pruned-at-init@2": lab.BASE + 3 + CLEAR}
    found = lab.registry(lab.claim("P-1", shuffled))
    assert judge(found, "toys", 0, lab.table(found, effects)).claims[0].verdict == "PASS"
    result = judge(found, "toys", 0, lab.table(found, effects, change)).claims[0]
    assert result.verdict == "BLOCKED"
    assert "toy: mask of pruned-at-init-shuffled@2: A random mask equals" in result.why
