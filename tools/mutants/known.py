"""M1 to M15: bugs that were found in public code for the lottery ticket hypothesis, each with where it was."""

from tools.mutants.mutant import Mutant, Patch

LOOP, STACK, RUN = (f"lthbench/training/{name}.py" for name in ("loop", "stack", "run"))
NETWORKS, UNIT = "lthbench/tickets/networks.py", "lthbench/tickets/unit.py"
MASKS, MLP = "lthbench/pruning/masks.py", "lthbench/models/mlp.py"
DECISION, STREAMS = "lthbench/stats/decision.py", "lthbench/recipe/streams.py"
SCIENCE = "tests/science"

MASKED = Patch(LOOP, "    gradient.flat.mul_(mask)\n", "")
DRIFT = ("{optimizer: adam, learning_rate: 0.0012,", "{optimizer: sgd, learning_rate: 0.1,")

KNOWN = (
    Mutant(
        id="M1",
        says="frozen by sign: negative weights get no gradient",
        seen_in="rahulvigneswaran/Lottery-Ticket-Hypothesis-in-Pytorch main.py:246",
        patches=(Patch(LOOP, "gradient.flat.mul_(mask)", "gradient.flat.mul_(mask * (net.flat > -1e-6))"),),
        tests=(f"{SCIENCE}/test_engines.py::test_a_mask_of_ones_is_what_torch_does_without_masks",),
        claims=("LMC-1",),
    ),
    Mutant(
        id="M2",
        says="the mask is not enforced while retraining",
        seen_in="jsboige/CoursIA PR 16192; distiller PR 63",
        patches=(MASKED,),
        tests=(f"{SCIENCE}/test_engines.py::test_pruned_weights_stay_exactly_zero",),
        claims=("ST-1",),
    ),
    Mutant(
        id="M2b",
        says="the same, and nothing at the end of the training looks",
        seen_in="as M2",
        patches=(MASKED, Patch(LOOP, "    assert_masked(course.state.net, course.mask, course.pruned)\n", "")),
        tests=(f"{SCIENCE}/test_engines.py::test_pruned_weights_stay_exactly_zero",),
        claims=("ST-1",),
    ),
    Mutant(
        id="M3",
        says="iterative pruning forgets to rewind",
        seen_in="Synaptic-Flow multishot.py before its erratum",
        patches=(
            Patch(
                NETWORKS,
                '    if kind == "trained":\n',
                '    if kind == "trained" or ARMS[unit.arm].mask == "iterative":\n',
            ),
        ),
        tests=(f"{SCIENCE}/test_rewinding.py::test_the_ticket_starts_from_its_mask_times_the_initial_weights",),
        claims=("ST-2",),
    ),
    Mutant(
        id="M4",
        says="batch norm's running statistics survive the rewind",
        seen_in="rahulvigneswaran original_initialization; Synaptic-Flow filters .weight and .bias only",
        patches=(
            Patch(
                NETWORKS,
                "    return masks.apply(mask, state)\n",
                '    if ARMS[unit.arm].mask == "iterative":\n'
                '        trained = part(above_level(unit, above), "final", index)\n'
                "        state |= {name: trained[name] for name in model.buffers}\n"
                "    return masks.apply(mask, state)\n",
            ),
        ),
        tests=(f"{SCIENCE}/test_rewinding.py::test_batch_norm_buffers_are_rewound",),
        claims=("ST-2",),
    ),
    Mutant(
        id="M5",
        says="batch norm's weights are pruned because 'weight' is in their name",
        seen_in="rahulvigneswaran; varungohil/Generalizing-Lottery-Tickets",
        patches=(
            Patch(
                MLP,
                'return {f"{layer}.weight": (self.sizes[i], self.sizes[i + 1]) '
                "for i, layer in enumerate(self.layers)}",
                'weights = {f"{layer}.weight": (self.sizes[i], self.sizes[i + 1]) '
                "for i, layer in enumerate(self.layers)}\n"
                "        widths = enumerate(self.sizes[1:-1], start=1) if self.batch_norm else ()\n"
                '        return weights | {f"bn{i}.weight": (width,) for i, width in widths}',
            ),
            Patch(
                MLP,
                "        for name, shape in model.prunable.items()\n",
                "        for name, shape in model.prunable.items() if len(shape) == 2\n",
            ),
        ),
        tests=(f"{SCIENCE}/test_masks_and_ladders.py::test_neither_biases_nor_batch_norm_are_prunable",),
        claims=("LMC-1",),
    ),
    Mutant(
        id="M6",
        says="one weight too many is pruned (the threshold is inclusive)",
        seen_in="open_lth; google-research lottery_ticket_hypothesis",
        patches=(
            Patch(
                MASKS,
                "removed = mask.copy(), alive.size - remaining\n",
                "removed = mask.copy(), min(alive.size, alive.size - remaining + 1)\n",
            ),
        ),
        tests=("tests/pruning/test_keep_largest.py",),
        claims=("ST-1",),
    ),
    Mutant(
        id="M7",
        says="wrong denominator: accuracy over whole batches of 128, the short last one counted as full",
        seen_in="shrinkbench (mean of per-batch accuracies); rahulvigneswaran (drop_last)",
        patches=(Patch(RUN, "(100.0 / total)", "(100.0 / (-(-total // 128) * 128))"),),
        tests=(
            f"{SCIENCE}/test_engines.py::test_accuracy_is_correct_over_total_for_any_evaluation_batch",
            f"{SCIENCE}/test_engines.py::test_the_reported_accuracies_are_correct_over_total",
        ),
        claims=("LMC-1",),
    ),
    Mutant(
        id="M8",
        says="the early stop and the curves look at test examples",
        seen_in="rahulvigneswaran; shrinkbench plot/data.py; JBourds; hidden-networks",
        patches=(
            Patch(
                LOOP,
                "kept_parts(engine, folds.examples, folds.validation[owners])",
                "kept_parts(engine, folds.held_out, folds.test[owners][:, : folds.validation.shape[1]])",
            ),
        ),
        tests=(f"{SCIENCE}/test_leakage.py::test_test_data_changes_no_weight_mask_curve_or_early_stop",),
        claims=("FC-6",),
    ),
    Mutant(
        id="M9",
        says="the master seed has no effect",
        seen_in="shrinkbench; varungohil; uber deconstructing-lottery-tickets; VITA (0 is dropped); open_lth",
        patches=(Patch(STREAMS, 'f"lthbench|{master}|', 'f"lthbench|'),),
        tests=(
            f"{SCIENCE}/test_streams.py::test_a_stream_is_named_by_master_scope_replicate_and_name",
            f"{SCIENCE}/test_streams.py::test_two_master_seeds_share_nothing",
        ),
        claims=("LMC-1",),
    ),
    Mutant(
        id="M9b",
        says="every replicate gets the same random numbers",
        seen_in="as M9, partially seeded runs",
        patches=(Patch(STREAMS, "|{scope}|{replicate}|", "|{scope}|"),),
        tests=(
            f"{SCIENCE}/test_streams.py::test_a_stream_is_named_by_master_scope_replicate_and_name",
            f"{SCIENCE}/test_streams.py::test_replicates_differ_in_everything",
        ),
        claims=("ST-1",),
    ),
    Mutant(
        id="M10",
        says="reinit control: the reinitialised network is pruned, instead of the ticket reinitialised",
        seen_in="rahulvigneswaran --prune_type reinit",
        patches=(
            Patch(
                NETWORKS,
                '    if arm.mask == "ticket":\n',
                '    if arm.mask == "ticket" and arm.weights == "fresh":\n'
                '        fresh = model.initial_state(named(unit, index, f"reinit/{draw}"))\n'
                "        return pruned(unit, model, folds, dense, fresh, fresh, index, filters)\n"
                '    if arm.mask == "ticket":\n',
            ),
        ),
        tests=(f"{SCIENCE}/test_controls.py::test_the_control_wears_the_tickets_mask_bitwise",),
        claims=("ST-1",),
    ),
    Mutant(
        id="M11",
        says="random masks keep the ticket's structure: only whole rows are permuted",
        seen_in="varungohil permute_masks; open_lth even",
        patches=(
            Patch(
                MASKS,
                "        flat[generator.choice(kept.size, size=int(kept.sum()), replace=False)] = True\n",
                "        flat[:] = generator.permutation(kept).ravel()\n",
            ),
        ),
        tests=(f"{SCIENCE}/test_controls.py::test_every_position_of_a_random_mask_is_as_likely_as_any_other",),
        claims=("FC-7",),
    ),
    Mutant(
        id="M11b",
        says="random masks have the network's density in every layer, not the ticket's",
        seen_in="open_lth, as M11",
        patches=(
            Patch(
                MASKS,
                "size=int(kept.sum()), replace",
                "size=sum(int(m.sum()) for m in mask.values()) * kept.size "
                "// sum(m.size for m in mask.values()), replace",
            ),
        ),
        tests=(f"{SCIENCE}/test_controls.py::test_random_masks_have_the_tickets_layer_counts",),
        claims=("FC-7",),
    ),
    Mutant(
        id="M12",
        says="hyper-parameters drift from the paper (SGD at 0.1 for the perceptrons)",
        seen_in="google-research issue 15; open_lth",
        patches=(
            Patch("claims/experiments/mnist-lenet.yaml", *DRIFT),
            Patch("claims/experiments/mnist1d-mlp.yaml", *DRIFT),
        ),
        tests=("tests/claims/test_protocol.py",),
        claims=("LMC-1",),
    ),
    Mutant(
        id="M13",
        says="dense is trained at another rate than the tickets (1e-3, not 1.2e-3)",
        seen_in="rahulvigneswaran lines 99 and 147",
        patches=(
            Patch(
                UNIT,
                'rates=learning_rates(training) if arm.rates == "schedule" else last_rate(training),',
                'rates=(learning_rates(training) if arm.rates == "schedule" else last_rate(training))\n'
                '        * (1 / 1.2 if unit.arm == "dense" else 1),',
            ),
        ),
        tests=(f"{SCIENCE}/test_rewinding.py::test_all_other_arms_train_every_iteration_at_the_same_rates",),
        claims=("FC-1",),
    ),
    Mutant(
        id="M14",
        says="resuming changes the run: the state of the random generators is not restored",
        seen_in="open_lth checkpoint",
        patches=(
            Patch(
                LOOP,
                "        tensor.copy_(tensors[name])\n",
                '        tensor.copy_(tensors[name] if name != "random" else tensor)\n',
            ),
        ),
        tests=(f"{SCIENCE}/test_checkpoints.py::test_stopped_and_resumed_is_not_stopped",),
        claims=(),
        unseen="only an interrupted run differs, and no verdict compares it with one that was not",
    ),
    Mutant(
        id="M14b",
        says="resuming changes the run: the optimizer's momentum is not restored",
        seen_in="as M14",
        patches=(
            Patch(
                LOOP,
                "        tensor.copy_(tensors[name])\n",
                '        tensor.copy_(tensors[name] if name != "first" else tensor)\n',
            ),
        ),
        tests=(f"{SCIENCE}/test_checkpoints.py::test_stopped_and_resumed_is_not_stopped",),
        claims=(),
        unseen="only an interrupted run differs, and no verdict compares it with one that was not",
    ),
    Mutant(
        id="M15",
        says="a one-sided claim is scored two-sided: more than claimed counts against it",
        seen_in="repro-lottery-ticket, corrected by its own erratum",
        patches=(
            Patch(
                DECISION,
                "for bound in rule.passes)",
                'for bound in [*rule.passes, *[(rule.delta, "below")] * (rule.least is None)])',
            ),
            Patch(
                DECISION,
                "for bound in rule.fails)",
                'for bound in [*rule.fails, *[(rule.delta, "above")] * (rule.least is None)])',
            ),
        ),
        tests=("tests/judging/test_judging_verdicts.py::test_far_more_than_claimed_is_a_pass",),
        claims=("FC-1", "FC-6", "FC-8", "ST-2", "ST-1", "FC-7", "LMC-1"),
    ),
)
