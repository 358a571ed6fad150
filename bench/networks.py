"""The networks of onestep in PyTorch: DDPM++ and NCSN++ (`song`), OpenAI's U-Net (`adm`).

Written for this benchmark from onestep's own structure, the way PyTorch is used well: native operators, no permuted
copies in either memory format. Modules carry the published names, so that a state dict and a model file agree.

Every network takes scaled images `[batch, channels, height, width]`, the features of `model.features` and class labels
`[batch]` (or None), and returns images.
"""

import re

import torch
import torch.nn.functional as F
from torch import nn

from problem import Problem

HALF = 2.0**-0.5
# The short names of the shared block, by those that OpenAI's files have for them.
ADM_NAMES = {
    "in_layers.0": "norm0",
    "in_layers.2": "conv0",
    "emb_layers.1": "affine",
    "out_layers.0": "norm1",
    "out_layers.3": "conv1",
    "skip_connection": "skip",
}


def conv(n_in, n_out, kernel=3, stride=1):
    return nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2)


class Resample(nn.Module):
    """Doubles or halves height and width with a separable filter, given by one axis of it."""

    def __init__(self, direction, taps=(1.0, 1.0)):
        super().__init__()
        self.direction, self.taps = direction, tuple(taps)
        self.box = len(taps) == 2 and taps[0] == taps[1]
        self.padding = (len(taps) - 1) // 2

    def filter(self, images):
        taps = torch.tensor(self.taps, device=images.device)
        square = taps[:, None] * taps / taps.sum() ** 2
        return square.to(images.dtype).expand(images.shape[1], 1, -1, -1)

    def halve(self, images, padding):
        return F.conv2d(images, self.filter(images), stride=2, padding=padding, groups=images.shape[1])

    def forward(self, images):
        if self.direction == "keep":
            return images
        if self.direction == "up":
            if self.box:
                return F.interpolate(images, scale_factor=2, mode="nearest")
            weight = 4.0 * self.filter(images)
            return F.conv_transpose2d(images, weight, stride=2, padding=self.padding, groups=images.shape[1])
        return F.avg_pool2d(images, 2) if self.box else self.halve(images, self.padding)


class ConvDownsample(nn.Conv2d):
    """A 3x3 convolution, continued beyond the border, and after it a filter that halves."""

    def __init__(self, n_in, n_out, taps):
        super().__init__(n_in, n_out, 3)
        self.resample = Resample("down", taps)

    def forward(self, images):
        padding = 1 + self.resample.padding
        return self.resample.halve(F.conv2d(images, self.weight, self.bias, padding=padding), 0)


class Block(nn.Module):
    """Norm, SiLU, resampling, convolution; embedding; norm, SiLU, dropout, convolution; residual sum."""

    def __init__(self, n_in, n_out, style, direction="keep"):
        super().__init__()
        self.scale_shift, self.residual_scale = style["scale_shift"], style["residual_scale"]
        self.dropout = style["dropout"]
        self.resample = Resample(direction, style["taps"])
        self.norm0 = style["norm"](n_in)
        self.conv0 = conv(n_in, n_out)
        self.affine = nn.Linear(style["n_embedding"], n_out * (2 if self.scale_shift else 1))
        self.norm1 = style["norm"](n_out)
        self.conv1 = conv(n_out, n_out)
        projects = n_in != n_out or (direction != "keep" and style["project_resampled"])
        self.skip = conv(n_in, n_out, 1) if projects else nn.Identity()

    def forward(self, images, embedding):
        hidden = self.conv0(self.resample(F.silu(self.norm0(images))))
        told = self.affine(embedding)
        if self.scale_shift:
            # Cut in two before it gets its axes: the other order crashes OpenVINO 2026.4.
            scale, shift = (part[:, :, None, None] for part in told.chunk(2, dim=1))
            hidden = F.silu(torch.addcmul(shift, self.norm1(hidden), scale + 1.0))
        else:
            hidden = F.silu(self.norm1(hidden + told[:, :, None, None]))
        hidden = self.conv1(F.dropout(hidden, self.dropout, self.training))
        total = self.skip(self.resample(images)) + hidden
        return total if self.residual_scale == 1.0 else total * self.residual_scale


def attend(qkv, heads):
    """Self-attention over pixels; the channels of `qkv` are ordered (three, head, width)."""
    batch, channels, height, width = qkv.shape
    split = qkv.flatten(2).reshape(batch, 3, heads, channels // 3 // heads, height * width)
    query, key, value = split.transpose(-1, -2).unbind(1)  # [batch, heads, tokens, width]
    attended = F.scaled_dot_product_attention(query, key, value)
    return attended.transpose(-1, -2).reshape(batch, channels // 3, height, width)


class SongBlock(Block):
    """EDM's block: attention, where there is one, belongs to it."""

    def __init__(self, n_in, n_out, style, direction="keep", attends=False):
        super().__init__(n_in, n_out, style, direction)
        self.attends = attends
        if attends:
            self.norm2 = style["norm"](n_out)
            self.qkv = conv(n_out, 3 * n_out, 1)
            self.proj = conv(n_out, n_out, 1)

    def forward(self, images, embedding):
        hidden = super().forward(images, embedding)
        if self.attends:
            attended = self.proj(attend(self.qkv(self.norm2(hidden)), 1))
            hidden = (hidden + attended) * self.residual_scale
        return hidden


def song_groups(channels):
    """At most 32 groups of at least four channels; the most that divide the channels."""
    return next(n for n in range(max(1, min(32, channels // 4)), 0, -1) if channels % n == 0)


class Song(nn.Module):
    """DDPM++ and NCSN++ (Song et al. 2021, arXiv:2011.13456; Karras et al. 2022, arXiv:2206.00364)."""

    def __init__(self, config):
        super().__init__()
        width = config["model_channels"]
        channels = [mult * width for mult in config["channel_mult"]]
        sizes = [config["image_size"] >> level for level in range(len(channels))]
        n_noise, n_embedding = width * config["channel_mult_noise"], width * config["channel_mult_emb"]
        taps = config["resample_filter"]
        style = {
            "norm": lambda n: nn.GroupNorm(song_groups(n), n, eps=1e-6),
            "n_embedding": n_embedding,
            "scale_shift": False,
            "dropout": config["dropout"],
            "residual_scale": HALF,
            "taps": taps,
            "project_resampled": True,
        }
        self.n_classes = config.get("n_classes")
        if config["embedding"] == "fourier":
            # The features are computed from them outside; they are here so that a model file loads completely.
            self.map_noise = nn.Module()
            self.map_noise.register_buffer("freqs", torch.empty(n_noise // 2))
        if self.n_classes:
            self.map_label = nn.Linear(self.n_classes, n_noise)
        if config["augment_dim"]:
            self.map_augment = nn.Linear(config["augment_dim"], n_noise, bias=False)
        self.map_layer0 = nn.Linear(n_noise, n_embedding)
        self.map_layer1 = nn.Linear(n_embedding, n_embedding)

        self.down, self.up, self.encoder = Resample("down", taps), Resample("up", taps), config["encoder"]
        attends = [size in config["attention_resolutions"] for size in sizes]
        n_blocks = config["num_blocks"]
        enc, dec = {}, {}
        n, n_side, skips = width, config["in_channels"], []
        self.encoder_plan, self.decoder_plan = [], []
        for size, n_out, attending in zip(sizes, channels, attends):
            name = f"{size}x{size}_"
            side = None
            if size == sizes[0]:
                enc[name + "conv"] = conv(config["in_channels"], n)
                first = name + "conv"
            else:
                first = name + "down"
                enc[first] = SongBlock(n, n, style, "down")
                if self.encoder == "skip":
                    side = name + "aux_skip"
                    enc[side] = conv(n_side, n, 1)
                elif self.encoder == "residual":
                    side = name + "aux_residual"
                    enc[side] = ConvDownsample(n_side, n, taps)
                    n_side = n
            skips.append(n)
            blocks = [f"{name}block{index}" for index in range(n_blocks)]
            for block in blocks:
                enc[block] = SongBlock(n, n_out, style, attends=attending)
                n = n_out
                skips.append(n)
            self.encoder_plan.append((first, side, blocks))
        for size, n_out, attending in reversed(list(zip(sizes, channels, attends))):
            name = f"{size}x{size}_"
            straight = ["in0", "in1"] if size == sizes[-1] else ["up"]
            for part in straight:
                direction = "up" if part == "up" else "keep"
                dec[name + part] = SongBlock(n, n, style, direction, attends=part == "in0")
            blocks = [f"{name}block{index}" for index in range(n_blocks + 1)]
            for block in blocks:
                last = block == blocks[-1]
                dec[block] = SongBlock(n + skips.pop(), n_out, style, attends=attending and last)
                n = n_out
            ends = size == sizes[0] or config["decoder"] == "skip"
            if ends:
                dec[name + "aux_norm"] = style["norm"](n)
                dec[name + "aux_conv"] = conv(n, config["out_channels"])
            self.decoder_plan.append(([name + part for part in straight], blocks, name if ends else None))
        self.enc, self.dec = nn.ModuleDict(enc), nn.ModuleDict(dec)

    def forward(self, images, features, labels=None):
        embedding = features
        if self.n_classes and labels is not None:
            row = F.embedding(labels, self.map_label.weight.t()) * self.n_classes**0.5
            embedding = embedding + row + self.map_label.bias
        embedding = F.silu(self.map_layer1(F.silu(self.map_layer0(embedding))))

        hidden, side, skips = images, images, []
        for level, (first, joined, blocks) in enumerate(self.encoder_plan):
            hidden = self.enc[first](hidden, embedding) if level else self.enc[first](hidden)
            if joined and self.encoder == "skip":
                side = self.down(side)
                hidden = hidden + self.enc[joined](side)
            elif joined:
                side = hidden = (hidden + self.enc[joined](side)) * HALF
            skips.append(hidden)
            for block in blocks:
                hidden = self.enc[block](hidden, embedding)
                skips.append(hidden)
        image = None
        for straight, blocks, ends in self.decoder_plan:
            for part in straight:
                hidden = self.dec[part](hidden, embedding)
            for block in blocks:
                hidden = self.dec[block](torch.cat([hidden, skips.pop()], dim=1), embedding)
            if ends:
                level = self.dec[ends + "aux_conv"](F.silu(self.dec[ends + "aux_norm"](hidden)))
                image = level if image is None else self.up(image) + level
        return image


class AdmAttention(nn.Module):
    """Norm, fused 1x1 convolution, attention, 1x1 convolution, residual sum."""

    def __init__(self, channels, heads, norm):
        super().__init__()
        self.heads = heads
        self.norm = norm(channels)
        self.qkv = conv(channels, 3 * channels, 1)
        self.proj_out = conv(channels, channels, 1)

    def forward(self, images, _embedding):
        return images + self.proj_out(attend(self.qkv(self.norm(images)), self.heads))


class AdmConv(nn.Module):
    """A convolution between levels, under the name the published files have for it."""

    def __init__(self, channels, direction):
        super().__init__()
        self.direction = direction
        if direction == "down":
            self.op = conv(channels, channels, stride=2)
        else:
            self.conv = conv(channels, channels)

    def forward(self, images, _embedding):
        if self.direction == "down":
            return self.op(images)
        return self.conv(F.interpolate(images, scale_factor=2, mode="nearest"))


class AdmLayers(nn.ModuleList):
    """What has one number in `input_blocks` or `output_blocks`."""

    def forward(self, images, embedding):
        for layer in self:
            takes_embedding = not isinstance(layer, (nn.Conv2d, Resample))
            images = layer(images, embedding) if takes_embedding else layer(images)
        return images


class Adm(nn.Module):
    """OpenAI's U-Net (Dhariwal & Nichol 2021, arXiv:2105.05233) in every variant of the published checkpoints."""

    def __init__(self, config):
        super().__init__()
        width, mults = config["model_channels"], config["channel_mult"]
        n_embedding = 4 * width
        style = {
            "norm": lambda n: nn.GroupNorm(32, n, eps=1e-5),
            "n_embedding": n_embedding,
            "scale_shift": config["scale_shift_norm"],
            "dropout": config["dropout"],
            "residual_scale": 1.0,
            "taps": (1.0, 1.0),
            "project_resampled": False,
        }
        self.time_embed = nn.Sequential(nn.Linear(width, n_embedding), nn.SiLU(), nn.Linear(n_embedding, n_embedding))
        self.n_classes = config.get("n_classes")
        if self.n_classes:
            self.label_emb = nn.Embedding(self.n_classes, n_embedding)

        def between(channels, direction):
            if config["resample"] == "res_block":
                return Block(channels, channels, style, direction)
            return AdmConv(channels, direction) if config["resample"] == "convolution" else Resample(direction)

        def attention(channels, up=False):
            return AdmAttention(channels, adm_heads(config["heads"], channels, up), style["norm"])

        attends = [config["image_size"] >> level in config["attention_resolutions"] for level in range(len(mults))]
        n = width * mults[0]
        down, skips = [[conv(config["in_channels"], n)]], [n]
        for level, mult in enumerate(mults):
            for _ in range(config["num_res_blocks"]):
                down.append([Block(n, mult * width, style)])
                n = mult * width
                if attends[level]:
                    down[-1].append(attention(n))
                skips.append(n)
            if level + 1 < len(mults):
                down.append([between(n, "down")])
                skips.append(n)
        middle = [Block(n, n, style), attention(n), Block(n, n, style)]
        up = []
        for level, mult in reversed(list(enumerate(mults))):
            for index in range(config["num_res_blocks"] + 1):
                up.append([Block(n + skips.pop(), mult * width, style)])
                n = mult * width
                if attends[level]:
                    up[-1].append(attention(n, up=True))
                if level and index == config["num_res_blocks"]:
                    up[-1].append(between(n, "up"))
        self.input_blocks = nn.ModuleList(AdmLayers(layers) for layers in down)
        self.middle_block = AdmLayers(middle)
        self.output_blocks = nn.ModuleList(AdmLayers(layers) for layers in up)
        self.out = nn.Sequential(style["norm"](n), nn.SiLU(), conv(n, config["out_channels"]))

    def forward(self, images, features, labels=None):
        embedding = self.time_embed(features)
        if self.n_classes and labels is not None:
            embedding = embedding + self.label_emb(labels)
        embedding = F.silu(embedding)
        hidden, skips = images, []
        for layers in self.input_blocks:
            hidden = layers(hidden, embedding)
            skips.append(hidden)
        hidden = self.middle_block(hidden, embedding)
        for layers in self.output_blocks:
            hidden = layers(torch.cat([hidden, skips.pop()], dim=1), embedding)
        return self.out(hidden)


def adm_heads(heads, channels, up):
    if "width" in heads:
        return channels // heads["width"]
    return (heads["count"].get("upsample") or heads["count"]["heads"]) if up else heads["count"]["heads"]


SONG_DEFAULTS = {
    "in_channels": 3,
    "out_channels": 3,
    "augment_dim": 0,
    "model_channels": 128,
    "channel_mult": [1, 2, 2, 2],
    "channel_mult_emb": 4,
    "num_blocks": 4,
    "attention_resolutions": [16],
    "dropout": 0.1,
    "embedding": "positional",
    "channel_mult_noise": 1,
    "encoder": "standard",
    "decoder": "standard",
    "resample_filter": [1.0, 1.0],
}
ADM_DEFAULTS = {
    "in_channels": 3,
    "out_channels": 3,
    "heads": {"width": 64},
    "scale_shift_norm": True,
    "resample": "res_block",
    "dropout": 0.0,
}


def build(architecture):
    """The network of a header, without numbers: its tensors lie on the `meta` device."""
    families = {"song": (Song, SONG_DEFAULTS), "adm": (Adm, ADM_DEFAULTS)}
    family = architecture.get("network")
    if family not in families:
        raise Problem(f"networks of the family `{family}` have no twin in PyTorch here, only {', '.join(families)}")
    network, defaults = families[family]
    with torch.device("meta"):
        return network({**defaults, **architecture})


def load(network, architecture, model, layout=torch.contiguous_format):
    """Puts the numbers of a model file into a network of `build`; names and shapes must be exactly those of the file.

    Convolutions get the memory format `layout` at once: a second copy would show in the peak of memory.
    """
    state = {}
    for name in model.entries:
        tensor = torch.from_numpy(model.read(name))
        if tensor.ndim == 4:
            tensor = tensor.permute(3, 2, 0, 1).contiguous(memory_format=layout)
        elif tensor.ndim == 2 and name != "label_emb.weight":
            tensor = tensor.t().contiguous()
        state[ours(name) if architecture["network"] == "adm" else name] = tensor
    try:
        network.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise Problem(f"the weights do not fit the network: {error}") from error
    return network.requires_grad_(False)


def ours(name):
    """The name of an OpenAI tensor in the shared block."""
    pattern = "|".join(re.escape(part) for part in ADM_NAMES)
    return re.sub(rf"\.({pattern})\.", lambda found: f".{ADM_NAMES[found[1]]}.", name)
