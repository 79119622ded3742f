"""Further mutants: mistakes that are easy to make here and that the known bugs do not cover."""

from tools.mutants.mutant import Mutant, Patch

NETWORKS, UNIT, LOOP = "lthbench/tickets/networks.py", "lthbench/tickets/unit.py", "lthbench/training/loop.py"
FRESH = '        state = model.initial_state(named(unit, index, f"reinit/{draw}"))\n'
ENDPOINTS, LINES = "lthbench/judging/endpoints.py", "lthbench/judging/lines.py"
SCIENCE, JUDGING = "tests/science", "tests/judging/test_judging_verdicts.py"
ALL = ("FC-1", "FC-6", "FC-8", "ST-2", "ST-1", "FC-7", "LMC-1")

PLAUSIBLE = (
    Mutant(
        id="P1",
        says="the learning-rate schedule is not rewound: a network rewound to k starts at the rates of 0",
        seen_in="plausible",
        patches=(
            Patch(
                UNIT, "rates=learning_rates(training) if", "rates=np.roll(learning_rates(training), unit.start) if"
            ),
        ),
        tests=(f"{SCIENCE}/test_rewinding.py::test_schedule_and_order_are_rewound_with_the_network",),
        claims=("ST-2",),
    ),
    Mutant(
        id="P2",
        says="validation examples are trained on",
        seen_in="plausible",
        patches=(Patch("lthbench/data/split.py", "np.sort(order[validation:])", "np.sort(order)"),),
        tests=("tests/data/test_data_split.py",),
        claims=("LMC-1",),
    ),
    Mutant(
        id="P3",
        says="the reinit control shares the ticket's initialisation",
        seen_in="plausible",
        patches=(Patch(NETWORKS, FRESH, '        state = model.initial_state(named(unit, index, "init"))\n'),),
        tests=(f"{SCIENCE}/test_controls.py::test_reinitialised_weights_are_new_ones_everywhere_else_the_ticket",),
        claims=("FC-6",),
    ),
    Mutant(
        id="P4",
        says="reinit is drawn from another distribution (torch's default: uniform, fan in only)",
        seen_in="plausible: Module.reset_parameters()",
        patches=(
            Patch(
                NETWORKS,
                FRESH,
                FRESH + '        g = named(unit, index, f"reinit/{draw}")\n'
                "        state |= {\n"
                "            n: g.uniform(-1, 1, w.shape).astype(np.float32) / np.float32(np.sqrt(w.shape[0]))\n"
                "            for n, w in state.items() if n in mask\n"
                "        }\n",
            ),
        ),
        tests=(
            f"{SCIENCE}/test_controls.py::test_reinitialised_weights_come_from_the_same_distribution_as_initial_ones",
        ),
        claims=("FC-6",),
    ),
    Mutant(
        id="P5",
        says="the barrier is measured with stale batch-norm statistics",
        seen_in="plausible; 1912.05671 does not say",
        patches=(
            Patch(
                "lthbench/tickets/barrier.py",
                "        engine.recompute_statistics(net, folds.examples, folds.train[:, :BN_EXAMPLES])\n",
                "",
            ),
        ),
        tests=(f"{SCIENCE}/test_barrier.py::test_batch_norm_statistics_are_recomputed_at_every_point",),
        claims=("LMC-1",),
    ),
    Mutant(
        id="P6",
        says="off by one level: a ticket is as sparse as the next",
        seen_in="plausible",
        patches=(Patch(NETWORKS, "ladder(sizes, pruning, unit.level,", "ladder(sizes, pruning, unit.level + 1,"),),
        tests=(f"{SCIENCE}/test_masks_and_ladders.py::test_every_level_of_a_run_has_the_exact_count",),
        claims=("ST-1",),
    ),
    Mutant(
        id="P6b",
        says="off by one level in the ladder itself, which the gate reads as well",
        seen_in="plausible: a gate that shares the code it guards",
        patches=(
            Patch(
                "lthbench/pruning/counts.py",
                "        for _ in range(level):\n            free",
                "        for _ in range(level - 1):\n            free",
            ),
        ),
        tests=(f"{SCIENCE}/test_masks_and_ladders.py::test_global_pruning_counts_all_weights_together",),
        claims=("ST-1",),
    ),
    Mutant(
        id="P7",
        says="every contrast has the wrong sign",
        seen_in="plausible",
        patches=(Patch(LINES, "return self.minuend - self.subtrahend", "return self.subtrahend - self.minuend"),),
        tests=(f"{JUDGING}::test_clear_effects_are_decided",),
        claims=ALL,
    ),
    Mutant(
        id="P8",
        says="every control wears the mask of the first replicate's ticket",
        seen_in="plausible: a loop variable too few",
        patches=(
            Patch(
                NETWORKS,
                'mask = part(above[arm, level], "mask", index)\n',
                'mask = part(above[arm, level], "mask", 0)\n',
            ),
        ),
        tests=(f"{SCIENCE}/test_controls.py::test_the_control_wears_the_tickets_mask_bitwise",),
        claims=("ST-1",),
    ),
    Mutant(
        id="P9",
        says="one-shot prunes the initial weights, not the trained ones",
        seen_in="plausible",
        patches=(
            Patch(
                NETWORKS,
                'dense, initial, part(above["dense", 0], "final", index), index, filters)',
                "dense, initial, initial, index, filters)",
            ),
        ),
        tests=(f"{SCIENCE}/test_controls.py::test_one_shot_prunes_the_trained_dense_network_once",),
        claims=("FC-8",),
    ),
    Mutant(
        id="P10",
        says="the rewind point is one iteration late",
        seen_in="plausible",
        patches=(Patch(UNIT, "keep_at=rewind if", "keep_at=rewind + 1 if"),),
        tests=(f"{SCIENCE}/test_rewinding.py::test_the_rewound_ticket_starts_from_dense_after_k_iterations",),
        claims=("ST-2",),
    ),
    Mutant(
        id="P11",
        says="pruning by value, not by magnitude: large negative weights go",
        seen_in="plausible: a missing abs()",
        patches=(
            Patch(
                "lthbench/pruning/criteria.py",
                "return {name: np.abs(weight) for name, weight in trace.trained.items()}",
                "return dict(trace.trained)",
            ),
        ),
        tests=("tests/pruning/test_pruning_criteria.py::test_scores_are_those_worked_out_by_hand",),
        claims=("FC-1",),
    ),
    Mutant(
        id="P12",
        says="of a control's draws the best counts, not the mean",
        seen_in="plausible; CHIP issue 8: best-of",
        patches=(
            Patch(ENDPOINTS, "mean(values) for label, values in draws", "max(values) for label, values in draws"),
        ),
        tests=(f"{JUDGING}::test_draws_are_averaged_inside_the_replicate",),
        claims=ALL,
    ),
    Mutant(
        id="P13",
        says="no correction over the primary claims: each is judged at 5 %",
        seen_in="plausible",
        patches=(
            Patch(
                "lthbench/stats/multiplicity.py",
                "return alpha / m",
                "return alpha",
            ),
        ),
        tests=("tests/stats/test_multiplicity.py",),
        claims=ALL,
    ),
    Mutant(
        id="P14",
        says="the final test accuracy is that of the early stop",
        seen_in="plausible; rahulvigneswaran reports its best epoch",
        patches=(
            Patch(
                LOOP,
                "final_test_accuracy=accuracy(engine, state.net, folds.held_out, test)",
                "final_test_accuracy=accuracy(engine, state.best, folds.held_out, test)",
            ),
        ),
        tests=(f"{SCIENCE}/test_engines.py::test_accuracies_of_a_run_are_those_of_its_stored_networks",),
        claims=("FC-1",),
    ),
)
