"""Images a second of onestep's feature networks beside PyTorch's, in turns, on the same number of threads.

    bench/venv/bin/python bench/feature_speed.py --onestep target/release/onestep --network inception --batch 8

onestep's time is that of images in bytes to features, places and logits. PyTorch's is that of the network alone, from
resized images to features: what it would lose by resizing on the CPU is no matter of the network. In each round everybody
has one turn; ratios are taken round by round.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from machine import busy_cpus, processor
from onestep import environment


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onestep", default="target/release/onestep")
    parser.add_argument("--network", choices=["inception", "effnet-lite0"], default="inception")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()

    import torch

    torch.set_num_threads(options.threads)
    print(f"{processor()[0]}, {options.threads} threads, batch {options.batch}, torch {torch.__version__}")
    rounds = {"onestep": []}
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        contestants = dict(variants(options, Path(folder)))
        for number in range(options.rounds):
            rounds["onestep"].append(onestep(options))
            for name, body in contestants.items():
                rounds.setdefault(name, []).append(torch_speed(body, options))
            told = ", ".join(f"{name} {speeds[-1]:.1f}" for name, speeds in rounds.items())
            busy = busy_cpus()
            print(f"round {number + 1}: {told} images/s; {busy or 0:.1f} processors busy between")
    ours = rounds.pop("onestep")
    print(f"\n{'onestep':<28} {statistics.median(ours):7.1f} images/s")
    for name, speeds in rounds.items():
        ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, speeds))
        print(f"{name:<28} {statistics.median(speeds):7.1f} images/s   onestep is {ratio:.2f} times as fast")


def onestep(options):
    command = [options.onestep, "bench", options.network, "--batch", str(options.batch), "--json"]
    command += ["--threads", str(options.threads), "--seconds", str(options.seconds)]
    done = subprocess.run(command, env=environment(options.threads), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["images_per_second"]


def variants(options, folder):
    """PyTorch's network as it comes, channels last, and that with batch norms multiplied in beforehand."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    size = 299 if options.network == "inception" else 224
    images = torch.randn(options.batch, 3, size, size)
    last = images.contiguous(memory_format=torch.channels_last)
    network = original(options, folder)
    yield "PyTorch", lambda: network(images)
    moved = original(options, folder).to(memory_format=torch.channels_last)
    yield "PyTorch, channels last", lambda: moved(last)
    if options.network == "inception":
        fused = original(options, folder)
        for module in fused.modules():
            if hasattr(module, "bn") and hasattr(module, "conv"):
                module.conv, module.bn = fuse_conv_bn_eval(module.conv, module.bn), torch.nn.Identity()
        fused = fused.to(memory_format=torch.channels_last)
        yield "the same, batch norms fused", lambda: fused(last)


def original(options, folder):
    import torch
    from originals import bare_inception, efficientnet_lite0, state_dict

    if options.network == "inception":
        if not (folder / "weights.safetensors").exists():
            command = [options.onestep, "--quiet", "bench", "inception", "--batch", "1", "--seconds", "0"]
            subprocess.run([*command, "--dump", str(folder)], check=True, stdout=subprocess.DEVNULL)
        network = bare_inception(state_dict(folder / "weights.safetensors"))
        network.fc = torch.nn.Identity()
        return network
    network = efficientnet_lite0()
    network._fc = torch.nn.Identity()
    return network


def torch_speed(body, options):
    body()
    times, started = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < options.seconds:
        before = time.perf_counter()
        body()
        times.append(time.perf_counter() - before)
    return options.batch / statistics.median(times)


if __name__ == "__main__":
    main()
