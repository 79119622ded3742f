"""Arithmetic floors: the matrix products and convolutions of a network and nothing else, buffers all there before.

No code that computes the same numbers with the same kernels can be faster. Activations, batch norm, the optimizer,
gathering batches and Python come on top.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

Run = Callable[[], object]


@dataclass(frozen=True)
class Layer:
    """A matrix or a convolution with an input of the right shape."""

    module: nn.Linear | nn.Conv2d
    x: Tensor


def layers(module: nn.Module, x: Tensor) -> list[Layer]:
    """The layers that multiply, in the order in which a forward pass of x meets them."""
    met: list[Layer] = []
    wanted = [m for m in module.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    hooks = [m.register_forward_pre_hook(lambda m, xs: met.append(Layer(m, xs[0].detach()))) for m in wanted]
    with torch.no_grad():
        module(x)
    for hook in hooks:
        hook.remove()
    return met


def forward(module: nn.Module, x: Tensor) -> Run:
    """The products of a forward pass."""
    each = [once(layer) for layer in layers(module, x)]
    return launched_at_once(lambda: [run() for run in each], x.device)


def step(module: nn.Module, x: Tensor) -> Run:
    """The products of a forward and a backward pass; the first layer's input needs no gradient."""
    met = layers(module, x)
    each = [once(layer) for layer in met] + [back(layer, first=i == 0) for i, layer in enumerate(met)]
    return launched_at_once(lambda: [run() for run in each], x.device)


def launched_at_once(run: Run, device: torch.device) -> Run:
    """The same work; on a GPU recorded as a graph, because launching kernels takes longer than running them."""
    if device.type != "cuda":
        return run
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        run()  # libraries choose their kernels
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=side):
        run()
    return graph.replay


def once(layer: Layer) -> Run:
    """A layer's forward product."""
    module, x = layer.module, layer.x
    weight = module.weight.detach()
    if isinstance(module, nn.Linear):
        turned = weight.T.contiguous()
        out = torch.mm(x, turned)
        return lambda: torch.mm(x, turned, out=out)
    stride, padding, dilation, groups = module.stride, module.padding, module.dilation, module.groups
    return lambda: functional.conv2d(x, weight, None, stride, padding, dilation, groups)  # type: ignore[arg-type]


def back(layer: Layer, first: bool) -> Run:
    """The products of a layer's gradients."""
    module, x = layer.module, layer.x
    weight = module.weight.detach()
    d = torch.randn_like(once(layer)())  # type: ignore[call-overload]
    if isinstance(module, nn.Conv2d):
        rest = (
            module.stride,
            module.padding,
            module.dilation,
            False,
            [0],
            module.groups,
            [not first, True, False],
        )
        return lambda: torch.ops.aten.convolution_backward(d, x, weight, None, *rest)
    of_weight, of_x = torch.mm(x.T, d), torch.empty_like(x)
    if first:
        return lambda: torch.mm(x.T, d, out=of_weight)
    return lambda: (torch.mm(x.T, d, out=of_weight), torch.mm(d, weight, out=of_x))
