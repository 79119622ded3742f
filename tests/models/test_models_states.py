"""How networks start, and that every network's state goes in and out bit for bit."""

import numpy as np
import pytest
import torch
from networks import CASES, CLASSES, IMAGE
from torch import nn

from lthbench.models.module import load_state, state_of
from lthbench.models.registry import build, model
from lthbench.recipe.experiment import Network

GLOROT = ["conv-2", "conv-4", "resnet-20", "vgg-11"]


def bits(state) -> dict[str, tuple]:
    return {name: (value.dtype, value.shape, value.tobytes()) for name, value in state.items()}


def start(network: Network, shape: tuple[int, ...], seed: int):
    return model(network, shape, CLASSES).initial_state(np.random.default_rng(seed))


@pytest.mark.parametrize(("network", "shape"), CASES)
def test_the_same_seed_gives_the_same_bits_whatever_the_global_generators_say(network, shape) -> None:
    torch.manual_seed(1)
    first = bits(start(network, shape, 0))
    torch.manual_seed(2)
    np.random.seed(2)
    assert bits(start(network, shape, 0)) == first
    other = bits(start(network, shape, 1))
    assert other.keys() == first.keys()
    assert all(other[name] != first[name] for name in first if name.endswith(("conv1.weight", "fc1.weight")))
    assert other != first


@pytest.mark.parametrize(("network", "shape"), CASES)
def test_looking_at_a_network_leaves_the_global_generator_alone(network, shape) -> None:
    before = torch.get_rng_state()
    model(network, shape, CLASSES)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "network", [Network("mlp", (6,), initialisation="own"), Network("conv-2", width=0.1, initialisation="own")]
)
def test_own_initialisation_is_the_modules_and_leaves_the_global_generator_alone(network) -> None:
    before = torch.get_rng_state()
    state = start(network, IMAGE, 0)
    assert torch.equal(torch.get_rng_state(), before)
    name = "fc1.weight"
    bound = 1 / np.sqrt(state[name].shape[1])  # torch starts a linear layer uniformly within 1 / sqrt(inputs)
    assert 0.9 * bound < np.abs(state[name]).max() <= bound
    assert np.any(state["out.bias"])


@pytest.mark.parametrize("kind", GLOROT)
@pytest.mark.parametrize("initialisation", ["", "glorot", "kaiming"])
def test_weights_are_gaussian_with_the_declared_variance(kind, initialisation) -> None:
    looked_at = model(Network(kind, initialisation=initialisation), IMAGE, CLASSES)
    state = looked_at.initial_state(np.random.default_rng(0))
    for name in looked_at.prunable:
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(torch.from_numpy(state[name]))
        variance = 2 / fan_in if initialisation == "kaiming" else 2 / (fan_in + fan_out)
        z = state[name].astype(np.float64).ravel() / np.sqrt(variance)
        assert abs(z.mean()) < 5 / np.sqrt(z.size), name
        assert abs((z**2).mean() - 1) < 5 * np.sqrt(2 / z.size), name
        assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / z.size), name


@pytest.mark.parametrize("network", [Network("conv-4"), Network("resnet-20"), Network("vgg-11"),
                                     Network("mlp", (6, 5), batch_norm=True, dropout=0.5)])  # fmt: skip
def test_biases_start_at_zero_and_batch_norm_as_the_identity(network) -> None:
    looked_at = model(network, IMAGE, CLASSES)
    state = looked_at.initial_state(np.random.default_rng(0))
    assert state.keys() == looked_at.parameters.keys() | looked_at.buffers.keys()
    for name in state.keys() - looked_at.prunable.keys():
        one = name.endswith((".weight", ".running_var"))
        assert (state[name] == (1 if one else 0)).all(), name


@pytest.mark.parametrize(("network", "shape"), CASES)
def test_a_state_goes_in_and_out_bit_for_bit(network, shape) -> None:
    generator = np.random.default_rng(0)
    looked_at = model(network, shape, CLASSES)
    state = {}
    for name, value in looked_at.initial_state(generator).items():
        whole = np.issubdtype(value.dtype, np.integer)
        drawn = generator.integers(0, 99, value.shape) if whole else generator.standard_normal(value.shape)
        state[name] = np.asarray(drawn, value.dtype)
    given = bits(state)
    module = looked_at.build()
    load_state(module, state)
    assert bits(state_of(module)) == given
    module.train()(torch.ones(2, *shape))  # batch norm's statistics move, the given state does not
    assert bits(state) == given


@pytest.mark.parametrize("kind", ["conv-2", "resnet-8", "vgg-11"])
def test_dropout_and_tanh_change_no_starting_weight(kind) -> None:
    plain = bits(start(Network(kind, width=0.1), IMAGE, 0))
    assert bits(start(Network(kind, width=0.1, dropout=0.5), IMAGE, 0)) == plain
    assert bits(start(Network(kind, width=0.1, activation="tanh"), IMAGE, 0)) == plain


def test_a_state_of_other_names_is_refused() -> None:
    module = build(Network("conv-2", width=0.1), IMAGE, CLASSES)
    state = state_of(module)
    state["more"] = state.pop("out.bias")
    with pytest.raises(ValueError, match=r"more.*out\.bias"):
        load_state(module, state)
