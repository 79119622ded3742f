"""Which data an experiment is trained on."""

from dataclasses import dataclass
from typing import ClassVar

from lthbench.recipe.declaration import STRICT, later


@dataclass(frozen=True)
class DataSpec:
    """Which data set, how many examples of it, and how images are normalised.

    train and test count examples; None is the data set's own size, fewer training examples are a random draw.
    validation counts the examples that the run splits off the training set (`train_validation_split`). path is the
    file of "npz" or the folder of "image_folder"; size the side that its images are scaled and cropped to, or that
    those of "cifar10" are shrunk to (16, 8 or 4: means of squares of pixels).
    mean and std, one number per channel, normalise images: (pixel / 255 - mean) / std.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    name: str
    train: int | None = None
    test: int | None = None
    validation: int = 0
    path: str | None = None
    mean: tuple[float, ...] = later(())
    std: tuple[float, ...] = later(())
    size: int | None = later(None)
