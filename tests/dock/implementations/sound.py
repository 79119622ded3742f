"""The lottery-ticket experiment in plain torch, written from the paper and `run(problem, arm)` alone.

It shares no code with lthbench's engine: initial weights and batch order are draws of its own. The variants in
`mistakes.py` override one step each.
"""

import torch
from torch import nn
from torch.nn import functional


class Experiment:
    """One method per step, so that a variant can change one of them."""

    def run(self, problem, arm):
        self.problem, self.arm = problem, arm
        start, mask = self.start_and_mask()
        self.zero_pruned(start, mask)
        before = copy_of(start)
        return {"start": before, "mask": mask, **self.train(start, mask)}

    def start_and_mask(self):
        name, earlier = self.arm.name, self.problem.earlier
        if name == "dense":
            return self.initial(), self.ones()
        if name == "ticket":
            previous = earlier.get(("ticket", self.arm.level - 1, 0)) or earlier["dense", 0, 0]
            return self.rewound(previous), self.pruned(previous)
        if name == "one-shot":
            return self.initial(), self.pruned(earlier["dense", 0, 0])
        ticket = {n: torch.as_tensor(m) for n, m in earlier["ticket", self.arm.level, 0].mask.items()}
        if name == "reinit":
            return self.reinitialised(ticket)
        if name == "random-mask":
            return self.initial(), self.shuffled(ticket)
        raise ValueError(f"no arm {name} here")

    def seed(self):
        return self.problem.seed

    def initial(self):
        return self.problem.module(self.seed())

    def rewound(self, previous):
        return self.initial()

    def reinitialised(self, ticket):
        return self.problem.module(self.seed() + 1 + self.arm.draw), ticket

    def ones(self):
        return {n: torch.ones(shape, dtype=torch.bool) for n, shape in self.problem.prunable.items()}

    def pruned(self, previous):
        """The smallest weights go, layer by layer."""
        left, mask = self.problem.counts(self.arm.level), {}
        for name, kept in previous.mask.items():
            size = torch.as_tensor(previous.weights[name]).abs()
            size[~torch.as_tensor(kept)] = -1.0
            best = size.flatten().argsort(descending=True, stable=True)[: left[name]]
            mask[name] = torch.zeros(size.numel(), dtype=torch.bool).index_fill(0, best, True).view(size.shape)
        return mask

    def shuffled(self, ticket):
        generator = torch.Generator().manual_seed(self.seed() + 1000 + self.arm.draw)
        return {
            n: m.flatten()[torch.randperm(m.numel(), generator=generator)].view(m.shape) for n, m in ticket.items()
        }

    def zero_pruned(self, module, mask):
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if name in mask:
                    parameter.mul_(mask[name])

    def optimizer(self, module):
        recipe = self.problem.recipe
        if recipe.optimizer == "adam":
            return torch.optim.Adam(module.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        return torch.optim.SGD(
            module.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay
        )

    def batches(self):
        """Every epoch another permutation."""
        recipe, n = self.problem.recipe, len(self.problem.train[1])
        generator = torch.Generator().manual_seed(self.seed() + 77)
        left = torch.empty(0, dtype=torch.long)
        for _ in range(recipe.iterations):
            if len(left) < recipe.batch:
                left = torch.randperm(n, generator=generator)
            yield left[: recipe.batch]
            left = left[recipe.batch :]

    def step(self, module, mask, optimizer, x, y):
        optimizer.zero_grad()
        functional.cross_entropy(module(x), y).backward()
        optimizer.step()
        self.zero_pruned(module, mask)

    def train(self, module, mask):
        recipe, (x, y) = self.problem.recipe, self.problem.train
        optimizer, rates, accuracies, losses = self.optimizer(module), [], {}, {}
        best, stop = None, 0
        module.train()
        for iteration, rows in enumerate(self.batches(), start=1):
            for group in optimizer.param_groups:
                group["lr"] *= recipe.decay if iteration - 1 in recipe.milestones else 1
            rates.append(optimizer.param_groups[0]["lr"])
            self.step(module, mask, optimizer, x[rows], y[rows])
            if iteration % recipe.evaluate_every == 0:
                accuracies[iteration], losses[iteration] = self.score(module, *self.problem.validation)
                if best is None or losses[iteration] < losses[stop]:
                    stop, best = iteration, self.score(module, *self.problem.test)[0]
                self.looked(module)
        return {
            "weights": copy_of(module),
            "rates": rates,
            "validation_accuracy": accuracies,
            "validation_loss": losses,
            "early_stop_iteration": stop,
            "early_stop_test_accuracy": best,
            "final_test_accuracy": self.final(module),
        }

    def looked(self, module):
        """After every evaluation."""

    def final(self, module):
        return self.score(module, *self.problem.test)[0]

    @torch.no_grad()
    def score(self, module, x, y):
        module.eval()
        logits = module(x)
        module.train()
        return 100 * (logits.argmax(1) == y).float().mean().item(), functional.cross_entropy(logits, y).item()


def copy_of(module: nn.Module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def run(problem, arm):
    return Experiment().run(problem, arm)
