"""Networks of many kinds, written as people write them who know nothing of this project: (shape, classes)."""

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

# ruff: noqa: D1


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Recurrent(nn.Module):
    """Rows of pixels as a sequence."""

    def __init__(self, kind, width, classes, **more):
        super().__init__()
        self.rnn = kind(width, 12, batch_first=True, **more)
        self.head = nn.Linear(24 if more.get("bidirectional") else 12, classes)

    def forward(self, x):
        states, _ = self.rnn(x[:, 0])
        return self.head(states[:, -1])


def two_way_lstm(shape, classes):
    return Recurrent(nn.LSTM, shape[2], classes, num_layers=2, bidirectional=True)


def gru(shape, classes):
    return Recurrent(nn.GRU, shape[2], classes)


class Encoder(nn.Module):
    """A transformer on rows, with learned positions and a class token."""

    def __init__(self, height, width, classes):
        super().__init__()
        self.project = nn.Linear(width, 16)
        self.position_embedding = nn.Parameter(torch.randn(1, height + 1, 16) * 0.02)
        self.class_token = nn.Parameter(torch.zeros(1, 1, 16))
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, classes)

    def forward(self, x):
        rows = self.project(x[:, 0])
        rows = torch.cat([self.class_token.expand(len(x), -1, -1), rows], 1) + self.position_embedding
        return self.head(self.encoder(rows)[:, 0])


def transformer_encoder(shape, classes):
    return Encoder(*shape[1:], classes)


class Causal(nn.Module):
    """Attention with a triangular mask of its own, which is no mask of weights."""

    def __init__(self, height, width, classes):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.register_buffer("causal_mask", torch.tril(torch.ones(height, height)))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        q, k, v = self.qkv(x[:, 0]).chunk(3, -1)
        scores = (q @ k.transpose(1, 2)).masked_fill(self.causal_mask == 0, -1e9)
        return self.head((scores.softmax(-1) @ v)[:, -1])


def causal_attention(shape, classes):
    return Causal(*shape[1:], classes)


class MixerBlock(nn.Module):
    def __init__(self, tokens, channels):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])
        self.tokens = nn.Sequential(nn.Linear(tokens, 8), nn.GELU(), nn.Linear(8, tokens))
        self.channels = nn.Sequential(nn.Linear(channels, 16), nn.GELU(), nn.Linear(16, channels))

    def forward(self, x):
        x = x + self.tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norms[1](x))


def mlp_mixer(shape, classes):
    return nn.Sequential(
        nn.Conv2d(shape[0], 12, 4, 4), nn.Flatten(2), Lambda(lambda x: x.transpose(1, 2)),
        MixerBlock(shape[1] * shape[2] // 16, 12), Lambda(lambda x: x.mean(1)), nn.Linear(12, classes),
    )  # fmt: skip


class UNet(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.down1 = nn.Conv2d(channels, 4, 3, padding=1)
        self.down2 = nn.Conv2d(4, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.mix = nn.Conv2d(8, 6, 3, padding=1)
        self.head = nn.Linear(6, classes)

    def forward(self, x):
        high = functional.relu(self.down1(x))
        low = functional.relu(self.down2(functional.max_pool2d(high, 2)))
        both = torch.cat([high, self.up(low)], 1)
        return self.head(functional.relu(self.mix(both)).amax((2, 3)))


def u_net(shape, classes):
    return UNet(shape[0], classes)


def depthwise_separable(shape, classes):
    return nn.Sequential(
        nn.Conv2d(shape[0], 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
        nn.Conv2d(8, 8, 3, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
        nn.Conv2d(8, 16, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes),
    )  # fmt: skip


class TiedAutoencoder(nn.Module):
    """The decoder is the encoder's matrix turned; the class is read from what could not be reconstructed."""

    def __init__(self, features, classes):
        super().__init__()
        self.encoder = nn.Linear(features, 10)
        self.decoder_bias = nn.Parameter(torch.zeros(features))
        self.head = nn.Linear(features, classes)

    def forward(self, x):
        x = x.flatten(1)
        code = torch.sigmoid(self.encoder(x))
        return self.head(x - functional.linear(code, self.encoder.weight.t(), self.decoder_bias))


def tied_autoencoder(shape, classes):
    return TiedAutoencoder(shape[0] * shape[1] * shape[2], classes)


class Siamese(nn.Module):
    """One trunk for both halves of a picture."""

    def __init__(self, shape, classes):
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2] // 2, 12), nn.Tanh())
        self.head = nn.Linear(12, classes)

    def forward(self, x):
        left, right = x.chunk(2, 3)
        return self.head((self.trunk(left) - self.trunk(right)).abs())


def siamese(shape, classes):
    return Siamese(shape, classes)


class Capsules(nn.Module):
    """Routing by agreement over one four-dimensional weight."""

    def __init__(self, channels, classes):
        super().__init__()
        self.primary = nn.Conv2d(channels, 8, 5, 4)
        self.weight = nn.Parameter(torch.randn(classes, 2, 3, 4) * 0.1)  # class, capsule, out, in

    def forward(self, x):
        capsules = self.primary(x).mean((2, 3)).view(len(x), 2, 4)
        votes = torch.einsum("cioj,bij->bcio", self.weight, capsules)
        logits = torch.zeros(votes.shape[:3])
        for _ in range(2):
            out = (logits.softmax(1)[..., None] * votes).sum(2)
            logits = logits + (votes * out[:, :, None]).sum(-1)
        return out.norm(dim=-1)


def capsules(shape, classes):
    return Capsules(shape[0], classes)


class Bilinear(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.a, self.b = nn.Linear(features, 6), nn.Linear(features, 5)
        self.pair = nn.Bilinear(6, 5, classes)

    def forward(self, x):
        x = x.flatten(1)
        return self.pair(torch.relu(self.a(x)), torch.relu(self.b(x)))


def bilinear(shape, classes):
    return Bilinear(shape[0] * shape[1] * shape[2], classes)


def convolution_1d(shape, classes):
    return nn.Sequential(
        nn.Flatten(2), nn.Conv1d(shape[0], 6, 9, 4), nn.ReLU(), nn.Conv1d(6, 6, 3, dilation=2),
        nn.AdaptiveMaxPool1d(4), nn.Flatten(), nn.Linear(24, classes),
    )  # fmt: skip


def convolution_3d(shape, classes):
    return nn.Sequential(
        Lambda(lambda x: x[:, None]), nn.Conv3d(1, 4, (shape[0], 3, 3)), nn.ReLU(inplace=True),
        nn.MaxPool3d((1, 2, 2)), nn.Flatten(),
        nn.Linear(4 * ((shape[1] - 2) // 2) * ((shape[2] - 2) // 2), classes),
    )  # fmt: skip


def nested(shape, classes):
    inner = nn.Sequential(nn.Linear(16, 16), nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(16, 16))))
    return nn.Sequential(
        nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 16), inner, nn.Linear(16, classes)
    )


class Listed(nn.Module):
    """Its matrices have numbers for names."""

    def __init__(self, features, classes):
        super().__init__()
        shapes = ((12, features), (classes, 12))
        self.layers = nn.ParameterList([nn.Parameter(torch.randn(shape) * 0.1) for shape in shapes])
        self.last = nn.Linear(classes, classes)

    def forward(self, x):
        x = x.flatten(1)
        for weight in self.layers:
            x = torch.relu(functional.linear(x, weight))
        return self.last(x)


def parameter_list(shape, classes):
    return Listed(shape[0] * shape[1] * shape[2], classes)


class Functional(nn.Module):
    """Weights without layers."""

    def __init__(self, channels, classes):
        super().__init__()
        self.weight_conv = nn.Parameter(nn.init.kaiming_normal_(torch.empty(6, channels, 3, 3)))
        self.weight_out = nn.Parameter(nn.init.xavier_uniform_(torch.empty(classes, 6)))
        self.scale = nn.Parameter(torch.ones(6, 1, 1))

    def forward(self, x):
        x = functional.relu(functional.conv2d(x, self.weight_conv) * self.scale)
        return functional.linear(functional.dropout2d(x, 0.2, self.training).mean((2, 3)), self.weight_out)


def functional_weights(shape, classes):
    return Functional(shape[0], classes)


def group_norm_and_dropout(shape, classes):
    return nn.Sequential(
        nn.Conv2d(shape[0], 8, 3), nn.GroupNorm(4, 8), nn.SiLU(), nn.Dropout2d(0.3), nn.Flatten(),
        nn.Linear(8 * (shape[1] - 2) * (shape[2] - 2), classes), nn.Dropout(0.1),
    )  # fmt: skip


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() <= 1)


def straight_through(shape, classes):
    """Signs as activations, with a gradient of its own."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 20), nn.BatchNorm1d(20, affine=False),
        Lambda(Sign.apply), nn.Linear(20, classes),
    )  # fmt: skip


class Squeeze(nn.Module):
    """Residual, squeeze and excitation, in place wherever possible, and dropped at random in training."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.gate = nn.Sequential(nn.Conv2d(channels, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(2, channels, 1))

    def forward(self, x):
        y = self.conv(x).relu_()
        y = y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))
        if self.training:
            y = y * (torch.rand(len(x), 1, 1, 1) > 0.2)
        return (x + y).clamp_(max=6)


def squeeze_and_excitation(shape, classes):
    return nn.Sequential(
        nn.Conv2d(shape[0], 8, 3, 2), Squeeze(8), Squeeze(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, classes),
    )  # fmt: skip


class Hyper(nn.Module):
    """A small network makes the weights of another."""

    def __init__(self, features, classes):
        super().__init__()
        self.code = nn.Parameter(torch.randn(4))
        self.makes = nn.Linear(4, features * classes)
        self.features, self.classes = features, classes

    def forward(self, x):
        made = self.makes(self.code).view(self.classes, self.features)
        return functional.linear(functional.avg_pool2d(x, 4).flatten(1), made)


def hypernetwork(shape, classes):
    return Hyper(shape[0] * (shape[1] // 4) * (shape[2] // 4), classes)


class Experts(nn.Module):
    """Each example goes to one of three experts."""

    def __init__(self, features, classes):
        super().__init__()
        self.router = nn.Linear(features, 3)
        self.experts = nn.ModuleList([nn.Linear(features, classes) for _ in range(3)])

    def forward(self, x):
        x = x.flatten(1)
        share, chosen = self.router(x).softmax(1).max(1)
        out = torch.stack([expert(x) for expert in self.experts], 1)
        return share[:, None] * out[torch.arange(len(x)), chosen]


def mixture_of_experts(shape, classes):
    return Experts(shape[0] * shape[1] * shape[2], classes)


class Averaged(nn.Module):
    """Subtracts what it has seen on average, which it keeps in a buffer."""

    def __init__(self, features, classes):
        super().__init__()
        self.fc, self.out = nn.Linear(features, 12), nn.Linear(12, classes)
        self.register_buffer("seen", torch.zeros(12))

    def forward(self, x):
        h = torch.relu(self.fc(x.flatten(1)))
        if self.training:
            with torch.no_grad():
                self.seen.mul_(0.9).add_(0.1 * h.mean(0))
        return self.out(h - self.seen)


def running_average(shape, classes):
    return Averaged(shape[0] * shape[1] * shape[2], classes)


def plain(shape, classes):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 12), nn.ReLU(), nn.Linear(12, classes)
    )


def compiled(shape, classes):
    return torch.compile(plain(shape, classes), backend="eager")


def scripted(shape, classes):
    return torch.jit.script(plain(shape, classes))


class Checkpointed(nn.Module):
    """Computes its hidden layer twice to save memory."""

    def __init__(self, inner, reentrant):
        super().__init__()
        self.inner, self.reentrant = inner, reentrant

    def forward(self, x):
        return checkpoint(self.inner, x.requires_grad_(), use_reentrant=self.reentrant)


def checkpointed(shape, classes):
    return Checkpointed(plain(shape, classes), reentrant=False)


def checkpointed_the_old_way(shape, classes):
    return Checkpointed(plain(shape, classes), reentrant=True)


class Waves(nn.Module):
    """A filter of complex numbers."""

    def __init__(self, channels, height, width, classes):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, height, width // 2 + 1, dtype=torch.cfloat))
        self.out = nn.Linear(channels, classes)

    def forward(self, x):
        return self.out(torch.fft.irfft2(torch.fft.rfft2(x) * self.weight).amax((2, 3)))


def complex_weights(shape, classes):
    return Waves(*shape, classes)


class Noisy(nn.Module):
    """Noise that is not ours: the source is an argument."""

    def __init__(self, inner, draw):
        super().__init__()
        self.inner, self.draw = inner, draw

    def forward(self, x):
        return self.inner(x + self.draw(x) if self.training else x)


def noise_of_a_generator_of_its_own(shape, classes):
    own = torch.Generator().manual_seed(0)
    return Noisy(plain(shape, classes), lambda x: torch.rand(x.shape, generator=own))


class Recycled(nn.Module):
    """One block, three times."""

    def __init__(self, shape, classes):
        super().__init__()
        block = nn.Sequential(nn.Linear(12, 12), nn.ReLU())
        self.inward, self.outward = nn.Linear(768, 12), nn.Linear(12, classes)
        self.blocks = nn.ModuleList([block, block, block])

    def forward(self, x):
        x = self.inward(x.flatten(1))
        for block in self.blocks:
            x = x + block(x)
        return self.outward(x)


def one_block_three_times(shape, classes):
    return Recycled(shape, classes)
