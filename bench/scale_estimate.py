"""What training costs on many GPUs or processors, on paper: the tables of docs/scale.md.

    python bench/scale_estimate.py

Nothing here is measured but the operations of a forward pass (`onestep bench NETWORK`), the speed of a core (a step of cifar10-edm-ddpmpp of 32
images in 9.6 s on two cores) and what others have published of theirs. A backward pass counts as two forward passes.
"""

# Of one image, in operations, and parameters.
NETWORKS = {"cifar10": (42.4e9, 55.7e6), "imagenet64": (219e9, 296e6)}

# Name, network, images, images in a step, forward passes an image: of the student 3, of a target 1, of a teacher asked by Heun's method 2.
RUNS = [
    ("CIFAR-10 EDM", "cifar10", 200e6, 512, 3),
    ("CIFAR-10 ECT", "cifar10", 25.6e6, 128, 4),
    ("CIFAR-10 CD", "cifar10", 409.6e6, 512, 6),
    ("ImageNet-64 EDM", "imagenet64", 2500e6, 4096, 3),
    ("ImageNet-64 CD", "imagenet64", 1228.8e6, 2048, 6),
]

# Operations a second of an A100 in such training. ECT's hour of 8,000 steps of 128 images of CIFAR-10 gives 48e12, EDM's 10,000 hours
# of 2,500 million images of ImageNet 46e12.
GPU = 46e12
# Bytes a second of a GPU's way to the others (200 Gb/s each), and dollars an hour.
GPU_NETWORK, GPU_PRICE = 25e9, 2.0

# Operations a second of a core of Zen 5 in f32; cores of a node, ranks of a node, bytes a second of its network (100 Gb/s).
CORE, CORES, RANKS, NODE_NETWORK = 3 * 42.4e9 * 32 / 9.6 / 2, 96, 4, 12.5e9


def volume(parameters, ranks):
    """Bytes that each rank sends in a step: halving and doubling of gradients in f32."""
    return 2 * (1 - 1 / ranks) * 4 * parameters


def hours(seconds):
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} d"


def main():
    print("| run | A100-hours | dollars | 8 GPUs | 64 | 512 | a step at 64: computing, network |")
    print("|---|---|---|---|---|---|---|")
    for name, network, images, batch, passes in RUNS:
        operations, parameters = NETWORKS[network]
        work = images * passes * operations / GPU
        cells = []
        for gpus in (8, 64, 512):
            if gpus > batch:
                cells.append("-")
                continue
            step = batch * passes * operations / GPU / gpus
            send = volume(parameters, gpus) / GPU_NETWORK
            cells.append(hours(images / batch * (step + send)))
            if gpus == 64:
                parts = f"{step * 1e3:.0f} ms, {send * 1e3:.0f} ms ({volume(parameters, gpus) / 1e9:.2f} GB)"
        print(f"| {name} | {work / 3600:,.0f} | {work / 3600 * GPU_PRICE:,.0f} | {' | '.join(cells)} | {parts} |")
    print()
    print(f"| run | 1 node of {CORES} cores | 16 | 64 | a step at 16: computing, network |")
    print("|---|---|---|---|---|")
    for name, network, images, batch, passes in RUNS:
        operations, parameters = NETWORKS[network]
        cells = []
        for nodes in (1, 16, 64):
            ranks = nodes * RANKS
            if ranks > batch:
                cells.append("-")
                continue
            step = batch * passes * operations / (CORE * CORES * nodes)
            send = RANKS * volume(parameters, ranks) / NODE_NETWORK if nodes > 1 else 0
            cells.append(hours(images / batch * (step + send)))
            if nodes == 16:
                parts = f"{step:.2f} s, {send:.2f} s"
        print(f"| {name} | {' | '.join(cells)} | {parts} |")


if __name__ == "__main__":
    main()
