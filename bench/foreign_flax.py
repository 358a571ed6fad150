"""NCSN++ and DDPM++ in flax, written from their published description, with the names that flax gives by itself.

The order in which parts are created decides their numbers, so it is that of the published network: down, middle, up. Where EDM
filters behind the convolution of the residual input, this one filters in front of it.
"""

import math
from typing import Any, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

INIT = nn.initializers.normal(0.15)
BIAS = nn.initializers.normal(0.05)


def fir(x, taps, up=1, down=1, margin=None):
    """Inserts zeros, adds zeros around, filters by taps x taps, and drops pixels."""
    taps = np.asarray(taps, np.float32)
    weights = np.outer(taps, taps) / taps.sum() ** 2 * up**2
    n = len(taps)
    if margin is None:
        margin = ((n - up + 1) // 2 + up - 1, (n - up) // 2) if up > 1 else ((n - 1) // 2, (n - 2) // 2)
    batch, height, width, channels = x.shape
    spread = jnp.zeros((batch, height * up, width * up, channels), x.dtype).at[:, ::up, ::up].set(x)
    low, high = margin
    spread = jnp.pad(spread, ((0, 0), (low, high), (low, high), (0, 0)))
    kernel = jnp.asarray(np.tile(weights[::-1, ::-1, None, None], (1, 1, 1, channels)))
    filtered = jax.lax.conv_general_dilated(
        spread, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=channels
    )
    return filtered[:, ::down, ::down]


def halved(x, taps):
    if taps is None:
        batch, height, width, channels = x.shape
        return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    return fir(x, taps, down=2)


def doubled(x, taps):
    if taps is None:
        return x.repeat(2, axis=1).repeat(2, axis=2)
    return fir(x, taps, up=2)


def norm(x):
    channels = x.shape[-1]
    return nn.GroupNorm(min(channels // 4, 32), scale_init=lambda key, shape, dtype=jnp.float32: 1 + INIT(key, shape),
                        bias_init=BIAS)(x)


def conv(x, channels, size=3):
    return nn.Conv(channels, (size, size), padding="SAME", kernel_init=INIT, bias_init=BIAS)(x)


class NIN(nn.Module):
    channels: int

    @nn.compact
    def __call__(self, x):
        weight = self.param("W", INIT, (x.shape[-1], self.channels))
        return x @ weight + self.param("b", BIAS, (self.channels,))


class AttnBlockpp(nn.Module):
    @nn.compact
    def __call__(self, x):
        channels = x.shape[-1]
        h = norm(x)
        q, k, v = (NIN(channels)(h).reshape(x.shape[0], -1, channels) for _ in range(3))
        share = jax.nn.softmax(jnp.einsum("bqc,bkc->bqk", q, k) / math.sqrt(channels), axis=-1)
        return (x + NIN(channels)((share @ v).reshape(x.shape))) / math.sqrt(2)


class ResnetBlockBigGANpp(nn.Module):
    channels: int
    taps: Any
    change: Any = None

    @nn.compact
    def __call__(self, x, emb):
        n_in = x.shape[-1]
        h = nn.swish(norm(x))
        if self.change:
            h, x = self.change(h, self.taps), self.change(x, self.taps)
        h = conv(h, self.channels)
        h = h + nn.Dense(self.channels, kernel_init=INIT, bias_init=BIAS)(nn.swish(emb))[:, None, None, :]
        h = conv(nn.swish(norm(h)), self.channels)
        if self.change or n_in != self.channels:
            x = conv(x, self.channels, 1)
        return (x + h) / math.sqrt(2)


class Conv2d(nn.Module):
    """Filter, then a convolution of stride 2; what lies outside of the image is zero for both together."""

    channels: int
    taps: Any

    @nn.compact
    def __call__(self, x):
        weight = self.param("weight", INIT, (3, 3, x.shape[-1], self.channels))
        around = len(self.taps) - 2 + 2
        x = fir(x, self.taps, margin=((around + 1) // 2, around // 2))
        x = jax.lax.conv_general_dilated(x, weight, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return x + self.param("bias", BIAS, (self.channels,))


class Downsample(nn.Module):
    channels: int
    taps: Any

    @nn.compact
    def __call__(self, x):
        return Conv2d(self.channels, self.taps)(x)


class GaussianFourierProjection(nn.Module):
    width: int

    @nn.compact
    def __call__(self, code):
        weight = self.param("W", nn.initializers.normal(16.0), (self.width,))
        angles = code[:, None] * weight[None, :] * 2 * math.pi
        return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def positions(code, width):
    half = width // 2
    angles = code[:, None] * jnp.exp(jnp.arange(half) * (-math.log(10000) / (half - 1)))[None, :]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


class NCSNpp(nn.Module):
    nf: int
    mults: Sequence[int]
    blocks: int
    attention: Sequence[int]
    ncsnpp: bool

    @nn.compact
    def __call__(self, x, code):
        taps = (1, 3, 3, 1) if self.ncsnpp else None
        emb = GaussianFourierProjection(self.nf)(code) if self.ncsnpp else positions(code, self.nf)
        dense = lambda: nn.Dense(4 * self.nf, kernel_init=INIT, bias_init=BIAS)
        emb = dense()(emb)
        emb = dense()(nn.swish(emb))
        last = len(self.mults) - 1
        side, kept = x, [conv(x, self.nf)]
        for level, mult in enumerate(self.mults):
            for _ in range(self.blocks):
                h = ResnetBlockBigGANpp(self.nf * mult, taps)(kept[-1], emb)
                kept.append(AttnBlockpp()(h) if h.shape[1] in self.attention else h)
            if level < last:
                h = ResnetBlockBigGANpp(kept[-1].shape[-1], taps, halved)(kept[-1], emb)
                if self.ncsnpp:
                    side = h = (Downsample(h.shape[-1], taps)(side) + h) / math.sqrt(2)
                kept.append(h)
        h = kept[-1]
        h = AttnBlockpp()(ResnetBlockBigGANpp(h.shape[-1], taps)(h, emb))
        h = ResnetBlockBigGANpp(h.shape[-1], taps)(h, emb)
        for level in reversed(range(len(self.mults))):
            for _ in range(self.blocks + 1):
                joined = jnp.concatenate([h, kept.pop()], axis=-1)
                h = ResnetBlockBigGANpp(self.nf * self.mults[level], taps)(joined, emb)
            if h.shape[1] in self.attention:
                h = AttnBlockpp()(h)
            if level:
                h = ResnetBlockBigGANpp(h.shape[-1], taps, doubled)(h, emb)
        return conv(nn.swish(norm(h)), x.shape[-1])
