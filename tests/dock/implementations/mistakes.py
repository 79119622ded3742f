"""M1 to M15 (tools/mutants/known.py says where each was seen), each as its author might have written it."""

import numpy as np
import torch
from sound import Experiment, copy_of
from torch.nn import functional


class M1(Experiment):
    """Gradients of pruned weights are zeroed, and those of all negative weights with them."""

    def step(self, module, mask, optimizer, x, y):
        optimizer.zero_grad()
        functional.cross_entropy(module(x), y).backward()
        for name, parameter in module.named_parameters():
            if name in mask:
                parameter.grad = torch.where(parameter.data < 1e-6, torch.zeros(()), parameter.grad)
        optimizer.step()


class M2(Experiment):
    """The mask is applied before training and never again."""

    def step(self, module, mask, optimizer, x, y):
        optimizer.zero_grad()
        functional.cross_entropy(module(x), y).backward()
        optimizer.step()


class M3(Experiment):
    """Pruned, and trained on from where it was."""

    def rewound(self, previous):
        module = self.initial()
        module.load_state_dict({n: torch.as_tensor(w) for n, w in previous.weights.items()})
        return module


class M4(Experiment):
    """Weights and biases go back to the start; batch norm's running statistics stay as they were."""

    def rewound(self, previous):
        first = {n: w for n, w in copy_of(self.initial()).items() if "running" not in n}
        module = self.problem.module()
        module.load_state_dict({n: torch.as_tensor(w) for n, w in previous.weights.items()})
        module.load_state_dict(first, strict=False)
        return module


class M5(Experiment):
    """Everything called weight is pruned, batch norm's scales too."""

    def ones(self):
        module = self.problem.module()
        return {n: torch.ones_like(p, dtype=torch.bool) for n, p in module.named_parameters() if "weight" in n}

    def pruned(self, previous):
        left, mask = self.problem.counts(self.arm.level), {}
        rate = self.problem.pruning.rate
        for name, kept in previous.mask.items():
            kept = torch.as_tensor(kept)
            size = torch.as_tensor(previous.weights[name]).abs().masked_fill(~kept, -1.0)
            n = left.get(name) or kept.numel() - round(kept.numel() * (1 - (1 - rate) ** self.arm.level))
            best = size.flatten().argsort(descending=True, stable=True)[:n]
            mask[name] = torch.zeros(size.numel(), dtype=torch.bool).index_fill(0, best, True).view(size.shape)
        return mask


class M6(Experiment):
    """What is not above the threshold goes, and the threshold is the first weight that should stay."""

    def pruned(self, previous):
        left, mask = self.problem.counts(self.arm.level), {}
        for name, kept in previous.mask.items():
            size = torch.as_tensor(previous.weights[name]).abs()
            alive = size[torch.as_tensor(kept)].sort().values
            threshold = alive[max(0, len(alive) - left[name])]
            mask[name] = torch.as_tensor(kept) & (size > threshold)
        return mask


class M7(Experiment):
    """Accuracy is the mean of the batches' accuracies, and the last batch is short."""

    def score(self, module, x, y):
        accuracy, loss = [], []
        for start in range(0, len(y), 128):
            a, b = super().score(module, x[start : start + 128], y[start : start + 128])
            accuracy.append(a), loss.append(b)
        return float(np.mean(accuracy)), float(np.mean(loss))


class M8(Experiment):
    """The best test accuracy of all evaluations is reported."""

    def looked(self, module):
        now = self.score(module, *self.problem.test)[0]
        self.best = max(now, getattr(self, "best", 0.0))

    def final(self, module):
        return self.best


class M9(Experiment):
    """The seed is never used: everybody starts from torch's default."""

    def seed(self):
        return 0


class M9b(Experiment):
    """torch is seeded, the generator that shuffles the batches is not."""

    def batches(self):
        generator, n = np.random.default_rng(), len(self.problem.train[1])
        for _ in range(self.problem.recipe.iterations):
            yield torch.from_numpy(generator.permutation(n)[: self.problem.recipe.batch])


class M10(Experiment):
    """The control prunes a reinitialised network instead of reinitialising the ticket."""

    def reinitialised(self, ticket):
        fresh = self.problem.module(self.seed() + 1 + self.arm.draw)
        ones = self.ones()
        trained = self.train(self.problem.module(self.seed() + 1 + self.arm.draw), ones)
        found = type("Trained", (), {"weights": trained["weights"], "mask": ones})
        return fresh, self.pruned(found)


class M11(Experiment):
    """Random masks have the ticket's density, the same in every layer."""

    def shuffled(self, ticket):
        generator = torch.Generator().manual_seed(self.seed() + 1000 + self.arm.draw)
        density = sum(int(m.sum()) for m in ticket.values()) / sum(m.numel() for m in ticket.values())
        return {n: torch.rand(m.shape, generator=generator) < density for n, m in ticket.items()}


class M12(Experiment):
    """Another optimizer and rate than the recipe's."""

    def optimizer(self, module):
        return torch.optim.SGD(module.parameters(), 0.1)


class M13(Experiment):
    """The dense network is trained at Adam's default rate, tickets at the recipe's."""

    def optimizer(self, module):
        return torch.optim.Adam(module.parameters()) if self.arm.name == "dense" else super().optimizer(module)


class M14(Experiment):
    """It can be resumed, but the state of the random numbers is not in the checkpoint."""

    def batches(self):
        generator, n = torch.Generator().manual_seed(self.seed() + 77), len(self.problem.train[1])
        for _ in range(self.problem.recipe.iterations - self.done):
            yield torch.randint(n, (self.problem.recipe.batch,), generator=generator)

    def train(self, module, mask):
        self.file, self.done = self.problem.folder / "checkpoint.pt", 0
        if self.file.exists():
            saved = torch.load(self.file, weights_only=True)
            self.done = saved.pop("done")
            module.load_state_dict(saved)
        self.module = module
        return super().train(module, mask)

    def step(self, module, mask, optimizer, x, y):
        super().step(module, mask, optimizer, x, y)
        self.done += 1
        if self.done % 10 == 0:
            torch.save({**module.state_dict(), "done": self.done}, self.file)


class M15(Experiment):
    """A sound experiment; that its author scores a one-sided claim two-sided is not part of it."""


def __getattr__(name):
    """`mistakes:m1` runs the mistake M1."""
    kind = globals().get(name[:1].upper() + name[1:])
    if not isinstance(kind, type):
        raise AttributeError(name)
    return lambda problem, arm: kind().run(problem, arm)
