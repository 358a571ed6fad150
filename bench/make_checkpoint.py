"""Writes a checkpoint of random weights with the names, shapes and container of the published ones.

    python bench/make_checkpoint.py imagenet64 cd_imagenet64_random.pt
    python bench/make_checkpoint.py lsun256 edm_bedroom256_random.pt --dtype float16

The two networks of openai/consistency_models (295,899,267 and 526,304,771 parameters), as `torch.save` writes a state dict: what
importing costs at full size can be measured without the published files. Needs PyTorch.
"""

import argparse
from collections import OrderedDict

NETWORKS = {
    "imagenet64": dict(size=64, width=192, mult=(1, 2, 3, 4), blocks=3, classes=1000, scale_shift=True),
    "lsun256": dict(size=256, width=256, mult=(1, 1, 2, 2, 4, 4), blocks=2, classes=None, scale_shift=False),
    # For tests: one head of 16 channels would do.
    "tiny": dict(size=16, width=32, mult=(1, 2), blocks=1, classes=5, scale_shift=True, attention=(8,)),
}


def shapes(size, width, mult, blocks, classes, scale_shift, attention=(32, 16, 8)):
    """Yields (name, shape) in the order of the published state dicts."""
    embedding = 4 * width

    def layer(name, *shape):
        yield f"{name}.weight", shape
        yield f"{name}.bias", shape[:1]

    def residual(name, n_in, n_out):
        yield from layer(f"{name}.in_layers.0", n_in)
        yield from layer(f"{name}.in_layers.2", n_out, n_in, 3, 3)
        yield from layer(f"{name}.emb_layers.1", n_out * (2 if scale_shift else 1), embedding)
        yield from layer(f"{name}.out_layers.0", n_out)
        yield from layer(f"{name}.out_layers.3", n_out, n_out, 3, 3)
        if n_in != n_out:
            yield from layer(f"{name}.skip_connection", n_out, n_in, 1, 1)

    def attend(name, n):
        yield from layer(f"{name}.norm", n)
        yield from layer(f"{name}.qkv", 3 * n, n, 1, 1)
        yield from layer(f"{name}.proj_out", n, n, 1, 1)

    yield from layer("time_embed.0", embedding, width)
    yield from layer("time_embed.2", embedding, embedding)
    if classes:
        yield "label_emb.weight", (classes, embedding)
    n = mult[0] * width
    yield from layer("input_blocks.0.0", n, 3, 3, 3)
    kept, block = [n], 1
    for level, factor in enumerate(mult):
        for _ in range(blocks):
            yield from residual(f"input_blocks.{block}.0", n, factor * width)
            n = factor * width
            if size >> level in attention:
                yield from attend(f"input_blocks.{block}.1", n)
            kept.append(n)
            block += 1
        if level + 1 < len(mult):
            yield from residual(f"input_blocks.{block}.0", n, n)
            kept.append(n)
            block += 1
    yield from residual("middle_block.0", n, n)
    yield from attend("middle_block.1", n)
    yield from residual("middle_block.2", n, n)
    block = 0
    for level, factor in reversed(list(enumerate(mult))):
        for index in range(blocks + 1):
            yield from residual(f"output_blocks.{block}.0", n + kept.pop(), factor * width)
            n, place = factor * width, 1
            if size >> level in attention:
                yield from attend(f"output_blocks.{block}.1", n)
                place = 2
            if level and index == blocks:
                yield from residual(f"output_blocks.{block}.{place}", n, n)
            block += 1
    yield from layer("out.0", n)
    yield from layer("out.2", 3, n, 3, 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("out")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    import torch

    random = torch.Generator().manual_seed(args.seed)
    dtype, state = getattr(torch, args.dtype), OrderedDict()
    for name, shape in shapes(**NETWORKS[args.network]):
        n_in = max(1, torch.Size(shape[1:]).numel())
        values = torch.randn(shape, generator=random) * (0.5 / n_in**0.5)
        if len(shape) == 1 and name.endswith(".weight"):
            values = 1 + 0.1 * values
        state[name] = values.to(dtype)
    n = sum(values.numel() for values in state.values())
    torch.save(state, args.out)
    print(f"{args.out}: {n:,} parameters in {len(state)} tensors, {args.dtype}")


if __name__ == "__main__":
    main()
