"""Networks for digits as people write them: convolutions in groups, shared weights, compiled, other outputs."""

import torch
from torch import nn


class Conv(nn.Module):
    """Two convolutions, the second in groups, with batch norm between them."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.out = nn.Linear(8 * 4 * 4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of (batch, 64) or images."""
        x = torch.relu(self.norm(self.first(x.view(-1, 1, 8, 8))))
        return self.out(nn.functional.max_pool2d(torch.relu(self.second(x)), 2).flatten(1))


class Tied(nn.Module):
    """Two layers that share their weights, and one that does not."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, classes)
        self.b.weight = self.a.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.out(torch.relu(self.b(torch.relu(self.a(x.flatten(1))))))


class Named(Tied):
    """Returns a dict, as transformers do."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:  # type: ignore[override]
        """Logits by name."""
        return {"logits": super().forward(x)}


class Two(Tied):
    """Returns a tuple."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        """Logits and nothing."""
        return super().forward(x), None


def conv(shape: tuple[int, ...], classes: int) -> nn.Module:
    """A new convolutional network."""
    return Conv(classes)


def tied(shape: tuple[int, ...], classes: int) -> nn.Module:
    """A new network with shared weights."""
    return Tied(classes)


def named(shape: tuple[int, ...], classes: int) -> nn.Module:
    """One that returns a dict."""
    return Named(classes)


def two(shape: tuple[int, ...], classes: int) -> nn.Module:
    """One that returns a tuple."""
    return Two(classes)


def compiled(shape: tuple[int, ...], classes: int) -> nn.Module:
    """A network in torch.compile, which nothing is compiled for before it is called."""
    return torch.compile(Conv(classes), backend="eager")  # type: ignore[return-value]
