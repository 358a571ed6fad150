"""Networks laid out as EDM's, written from their published description, and files of them as EDM's training writes.

What a file of EDM depends on is kept: names of modules and attributes, constructor arguments, the class of the preconditioning
around the network, and how an object is pickled (a call of `torch_utils.persistence._reconstruct_persistent_obj` with a
dictionary that holds the source of its class, its name and its attributes). None of the code is NVlabs'.
"""

import math
import sys
import types

import numpy as np
import torch
from torch.nn import functional


def persistence():
    """The module whose one function pickles refer to; it is never called here."""
    package, module = types.ModuleType("torch_utils"), types.ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(meta):
        raise RuntimeError("these pickles are for reading without Python")

    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = _reconstruct_persistent_obj.__name__
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj
    package.persistence = module
    sys.modules.update({package.__name__: package, module.__name__: module})
    return module


def easy_dict():
    """The dictionary that EDM uses for settings."""
    package, module = types.ModuleType("dnnlib"), types.ModuleType("dnnlib.util")

    class EasyDict(dict):
        pass

    EasyDict.__module__, EasyDict.__qualname__ = module.__name__, "EasyDict"
    module.EasyDict = package.EasyDict = EasyDict
    sys.modules.update({package.__name__: package, module.__name__: module})
    return EasyDict


PERSISTENCE, EASY_DICT = persistence(), easy_dict()
# Longer than any name, as a module's source is; a reader that ran it would leave a file behind.
SOURCE = "open('PWNED', 'w').close()\n" + "# The source of a module goes here.\n" * 60


class Persistent:
    """An object that is pickled with its class's source and with what it was constructed with."""

    def __init_subclass__(cls, **rest):
        super().__init_subclass__(**rest)
        construct = cls.__init__

        def remembering(self, *args, **kwargs):
            construct(self, *args, **kwargs)
            if type(self) is cls:
                self._init_args, self._init_kwargs = args, kwargs

        cls.__init__ = remembering

    def __reduce__(self):
        meta = {
            "type": "class",
            "version": 6,
            "module_src": SOURCE,
            "class_name": type(self).__name__,
            "state": self.__dict__,
        }
        return PERSISTENCE._reconstruct_persistent_obj, (meta,), None


class Layer(Persistent, torch.nn.Module):
    pass


class Linear(Layer):
    def __init__(self, n_in, n_out, bias=True):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(n_out, n_in) / math.sqrt(n_in))
        self.bias = torch.nn.Parameter(torch.randn(n_out) * 0.1) if bias else None

    def forward(self, x):
        return functional.linear(x, self.weight, self.bias)


class Conv2d(Layer):
    """A convolution with a filter in front of it (`up`, `down`), or behind it (`fused`)."""

    def __init__(self, n_in, n_out, kernel, up=False, down=False, resample_filter=(1, 1), fused=False):
        super().__init__()
        self.resampling = 1 if up else -1 if down else 0
        self.fused = fused
        self.weight = self.bias = None
        if kernel:
            scale = math.sqrt(n_in * kernel * kernel)
            self.weight = torch.nn.Parameter(torch.randn(n_out, n_in, kernel, kernel) / scale)
            self.bias = torch.nn.Parameter(torch.randn(n_out) * 0.1)
        taps = torch.tensor([float(tap) for tap in resample_filter])
        outer = taps[:, None] * taps[None, :] / taps.sum() ** 2
        self.register_buffer("resample_filter", outer[None, None] if self.resampling else None)

    def resampled(self, x, margin):
        """Doubles or halves; `margin` pixels around are there already."""
        channels, taps = x.shape[1], self.resample_filter.shape[-1]
        each = self.resample_filter.repeat(channels, 1, 1, 1)
        if self.resampling > 0:
            return functional.conv_transpose2d(x, 4 * each, stride=2, padding=(taps - 1) // 2, groups=channels)
        padding = 0 if margin else (taps - 1) // 2
        return functional.conv2d(x, each, stride=2, padding=padding, groups=channels)

    def forward(self, x):
        if self.fused:
            taps = self.resample_filter.shape[-1]
            x = functional.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2 + (taps - 1) // 2)
            return self.resampled(x, margin=True) + self.bias[:, None, None]
        if self.resampling:
            x = self.resampled(x, margin=False)
        if self.weight is None:
            return x
        return functional.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)


class GroupNorm(Layer):
    def __init__(self, channels, eps):
        super().__init__()
        self.groups, self.eps = min(32, channels // 4), eps
        self.weight = torch.nn.Parameter(1 + 0.1 * torch.randn(channels))
        self.bias = torch.nn.Parameter(0.1 * torch.randn(channels))

    def forward(self, x):
        return functional.group_norm(x, self.groups, self.weight, self.bias, self.eps)


class UNetBlock(Layer):
    def __init__(self, n_in, n_out, n_emb, heads=0, up=False, down=False, style=None):
        super().__init__()
        self.heads, self.style = heads, style
        change = {"up": up, "down": down, "resample_filter": style["filter"]}
        self.norm0 = GroupNorm(n_in, style["eps"])
        self.conv0 = Conv2d(n_in, n_out, 3, **change)
        self.affine = Linear(n_emb, 2 * n_out if style["adaptive"] else n_out)
        self.norm1 = GroupNorm(n_out, style["eps"])
        self.conv1 = Conv2d(n_out, n_out, 3)
        self.skip = None
        if n_in != n_out or up or down:
            kernel = 1 if n_in != n_out or style["project"] else 0
            self.skip = Conv2d(n_in, n_out, kernel, **change)
        if heads:
            self.norm2 = GroupNorm(n_out, style["eps"])
            self.qkv = Conv2d(n_out, 3 * n_out, 1)
            self.proj = Conv2d(n_out, n_out, 1)

    def forward(self, x, emb):
        h = self.conv0(functional.silu(self.norm0(x)))
        told = self.affine(emb)[:, :, None, None]
        if self.style["adaptive"]:
            scale, shift = told.chunk(2, dim=1)
            h = self.norm1(h) * (1 + scale) + shift
        else:
            h = self.norm1(h + told)
        h = self.conv1(functional.silu(h))
        x = (h + (x if self.skip is None else self.skip(x))) * self.style["scale"]
        if self.heads:
            batch, channels, height, width = x.shape
            # Per head, channels of queries, keys and values take turns.
            qkv = self.qkv(self.norm2(x)).reshape(batch, self.heads, channels // self.heads, 3, height * width)
            q, k, v = qkv.unbind(3)
            share = torch.softmax(torch.einsum("bhcq,bhck->bhqk", q, k) / math.sqrt(q.shape[2]), dim=3)
            h = torch.einsum("bhqk,bhck->bhcq", share, v).reshape(x.shape)
            x = (x + self.proj(h)) * self.style["scale"]
        return x


class FourierEmbedding(Layer):
    def __init__(self, width, scale=16):
        super().__init__()
        self.register_buffer("freqs", torch.randn(width // 2) * scale)

    def forward(self, x):
        angles = 2 * math.pi * x[:, None] * self.freqs[None, :]
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class PositionalEmbedding(Layer):
    def __init__(self, width, endpoint):
        super().__init__()
        self.width, self.endpoint = width, endpoint

    def forward(self, x):
        half = self.width // 2
        exponents = torch.arange(half) / (half - 1 if self.endpoint else half)
        angles = x[:, None] * 10000.0 ** -exponents[None, :]
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class UNet(Layer):
    """Both networks: `heads` of so many channels, `every` block on the way up attends or the last alone."""

    def build(self, img_resolution, in_channels, out_channels, mults, model_channels, num_blocks, attention, n_emb,
              first, heads, every, style, encoder="standard", decoder="standard"):
        self.enc, self.dec = torch.nn.ModuleDict(), torch.nn.ModuleDict()
        widths = [model_channels * mult for mult in mults]
        channels, side, skips = first, in_channels, []
        for level, width in enumerate(widths):
            size = img_resolution >> level
            name = f"{size}x{size}_"
            if level == 0:
                self.enc[name + "conv"] = Conv2d(in_channels, channels, 3)
            else:
                self.enc[name + "down"] = UNetBlock(channels, channels, n_emb, down=True, style=style)
                if encoder == "residual":
                    self.enc[name + "aux_residual"] = Conv2d(
                        side, channels, 3, down=True, resample_filter=style["filter"], fused=True
                    )
                    side = channels
            skips.append(channels)
            for index in range(num_blocks):
                count = heads(width) if size in attention else 0
                self.enc[f"{name}block{index}"] = UNetBlock(channels, width, n_emb, count, style=style)
                channels = width
                skips.append(channels)
        for level in reversed(range(len(widths))):
            size, width = img_resolution >> level, widths[level]
            name = f"{size}x{size}_"
            if level == len(widths) - 1:
                self.dec[name + "in0"] = UNetBlock(channels, channels, n_emb, heads(channels), style=style)
                self.dec[name + "in1"] = UNetBlock(channels, channels, n_emb, style=style)
            else:
                self.dec[name + "up"] = UNetBlock(channels, channels, n_emb, up=True, style=style)
            for index in range(num_blocks + 1):
                attends = size in attention and (every or index == num_blocks)
                count = heads(width) if attends else 0
                self.dec[f"{name}block{index}"] = UNetBlock(channels + skips.pop(), width, n_emb, count, style=style)
                channels = width
        return channels

    def run(self, x, emb):
        skips, side = [], x
        for name, layer in self.enc.items():
            if "aux_residual" in name:
                side = x = (x + layer(side)) * math.sqrt(0.5)
                skips[-1] = x
            else:
                x = layer(x, emb) if isinstance(layer, UNetBlock) else layer(x)
                skips.append(x)
        for name, layer in self.dec.items():
            if "aux_norm" in name:
                x = functional.silu(layer(x))
            elif "aux_conv" in name:
                x = layer(x)
            else:
                x = layer(torch.cat([x, skips.pop()], dim=1) if "block" in name else x, emb)
        return x


class SongUNet(UNet):
    def __init__(self, img_resolution, in_channels, out_channels, label_dim=0, augment_dim=0, model_channels=128,
                 channel_mult=(1, 2, 2, 2), channel_mult_emb=4, num_blocks=4, attn_resolutions=(16,), dropout=0.1,
                 label_dropout=0, embedding_type="positional", channel_mult_noise=1, encoder_type="standard",
                 decoder_type="standard", resample_filter=(1, 1)):
        super().__init__()
        n_noise, n_emb = model_channels * channel_mult_noise, model_channels * channel_mult_emb
        if embedding_type == "fourier":
            self.map_noise = FourierEmbedding(n_noise)
        else:
            self.map_noise = PositionalEmbedding(n_noise, endpoint=True)
        self.label_dim = label_dim
        self.map_label = Linear(label_dim, n_noise) if label_dim else None
        self.map_augment = Linear(augment_dim, n_noise, bias=False) if augment_dim else None
        self.map_layer0, self.map_layer1 = Linear(n_noise, n_emb), Linear(n_emb, n_emb)
        style = {"eps": 1e-6, "filter": resample_filter, "adaptive": False, "project": True, "scale": np.sqrt(0.5)}
        channels = self.build(img_resolution, in_channels, out_channels, channel_mult, model_channels, num_blocks,
                              attn_resolutions, n_emb, model_channels, lambda _: 1, False, style, encoder_type)
        name = f"{img_resolution}x{img_resolution}_"
        self.dec[name + "aux_norm"] = GroupNorm(channels, 1e-6)
        self.dec[name + "aux_conv"] = Conv2d(channels, out_channels, 3)

    def forward(self, x, code, labels=None):
        emb = self.map_noise(code)
        cos, sin = emb.chunk(2, dim=1)
        emb = torch.cat([sin, cos], dim=1)
        if self.map_label is not None:
            emb = emb + self.map_label(labels * math.sqrt(self.label_dim))
        emb = functional.silu(self.map_layer1(functional.silu(self.map_layer0(emb))))
        return self.run(x, emb)


class DhariwalUNet(UNet):
    def __init__(self, img_resolution, in_channels, out_channels, label_dim=0, augment_dim=0, model_channels=192,
                 channel_mult=(1, 2, 3, 4), channel_mult_emb=4, num_blocks=3, attn_resolutions=(32, 16, 8),
                 dropout=0.1, label_dropout=0):
        super().__init__()
        n_emb = model_channels * channel_mult_emb
        self.map_noise = PositionalEmbedding(model_channels, endpoint=False)
        self.map_augment = Linear(augment_dim, model_channels, bias=False) if augment_dim else None
        self.map_layer0, self.map_layer1 = Linear(model_channels, n_emb), Linear(n_emb, n_emb)
        self.map_label = Linear(label_dim, n_emb, bias=False) if label_dim else None
        style = {"eps": 1e-5, "filter": (1, 1), "adaptive": True, "project": False, "scale": 1.0}
        channels = self.build(img_resolution, in_channels, out_channels, channel_mult, model_channels, num_blocks,
                              attn_resolutions, n_emb, model_channels * channel_mult[0], lambda c: c // 64, True, style)
        self.out_norm, self.out_conv = GroupNorm(channels, 1e-5), Conv2d(channels, out_channels, 3)

    def forward(self, x, code, labels=None):
        emb = self.map_layer1(functional.silu(self.map_layer0(self.map_noise(code))))
        if self.map_label is not None:
            emb = emb + self.map_label(labels)
        x = self.run(x, functional.silu(emb))
        return self.out_conv(functional.silu(self.out_norm(x)))


NETWORKS = {"SongUNet": SongUNet, "DhariwalUNet": DhariwalUNet}


class Precond(Layer):
    """A network with the arguments of a preconditioning; what that computes is not needed here."""

    def __init__(self, img_resolution, img_channels, label_dim=0, use_fp16=False, model_type="DhariwalUNet",
                 **model_kwargs):
        super().__init__()
        own = ["sigma_min", "sigma_max", "sigma_data", "beta_d", "beta_min", "M", "epsilon_t", "C_1", "C_2"]
        rest = {name: value for name, value in model_kwargs.items() if name not in own}
        factor = 2 if type(self).__name__ == "iDDPMPrecond" else 1
        self.model = NETWORKS[model_type](
            img_resolution=img_resolution, in_channels=img_channels, out_channels=factor * img_channels,
            label_dim=label_dim, **rest,
        )


EDMPrecond, ECMPrecond, VPPrecond, VEPrecond, iDDPMPrecond = (
    type(name, (Precond,), {"__init__": lambda self, *args, **kwargs: Precond.__init__(self, *args, **kwargs)})
    for name in ["EDMPrecond", "ECMPrecond", "VPPrecond", "VEPrecond", "iDDPMPrecond"]
)


class Tiny(Layer):
    """The smallest network that there is."""

    def __init__(self, width):
        super().__init__()
        self.model = Linear(width, 1, bias=False)


class EDMLoss(Persistent):
    """A loss, which keeps numbers of numpy and one of its own methods, as ECT's does."""

    def __init__(self, P_mean=-1.2):
        self.P_mean, self.scale, self.table = P_mean, np.float64(0.5), np.arange(3.0)
        self.t_to_r = self.sigmoid

    def sigmoid(self):
        return None


class AugmentPipe(Persistent):
    def __init__(self, p=0.12, **kinds):
        self.p, self.kinds, self.device = p, kinds, torch.device("cpu")
        self.dtype = torch.float32
