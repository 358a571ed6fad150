"""Compares `onestep eval` with torch-fidelity and pytorch-fid: on the same images, on the same activations, and on CIFAR-10.

    bench/venv/bin/pip install -r bench/requirements-evaluation.txt
    bench/venv/bin/python bench/check_metrics.py --onestep target/release/onestep --data data

Inception gets random weights, as in check_evaluation.py; `--inception FILE` takes a file of weights instead. `--data` is a folder
with `cifar10/cifar10-test.zip`, `cifar10/cifar10-train-part0.zip`, `weights/resnet20_cifar10.safetensors` and
`weights/frechet_fixture_resnet20.{safetensors,json}`.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from originals import state_dict
from PIL import Image
from safetensors.numpy import load_file


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onestep", default="target/release/onestep")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--images", type=int, default=256, help="images a side for Inception")
    parser.add_argument("--inception", help="a file of weights in torchvision's names, instead of random ones")
    parser.add_argument("--only", choices=["images", "activations", "cifar"], help="one part alone")
    options = parser.parse_args()
    torch.set_num_threads(2)
    parts = {"images": check_images, "activations": check_activations, "cifar": check_cifar}
    ok = True
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for name, check in parts.items():
            if options.only in (None, name):
                print(f"\n{name}\n{'':<44} {'onestep':>18} {'the other':>18}  difference")
                ok &= check(options, Path(folder))
    sys.exit(0 if ok else 1)


def evaluate(options, *arguments):
    """The scores that `onestep eval` prints, by metric without the network's name."""
    command = [options.onestep, "eval", *map(str, arguments), "--json", "-q"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    return {score["metric"].split("-")[0]: score for score in report["scores"]}


def compare(what, ours, theirs, rtol):
    difference = abs(ours - theirs)
    ok = difference <= rtol * abs(theirs)
    print(f"{what:<44} {ours:>18.12g} {theirs:>18.12g}  {difference:.1e}{'' if ok else '  TOO MUCH'}")
    return ok


def pictures(options, name, numbers):
    """Images of a CIFAR zip by number, in the order of their names."""
    with zipfile.ZipFile(options.data / "cifar10" / name) as archive:
        names = sorted(entry for entry in archive.namelist() if entry.endswith(".webp"))
        return [Image.open(io.BytesIO(archive.read(names[number]))).convert("RGB") for number in numbers]


def write_folder(folder, images):
    folder.mkdir()
    for number, image in enumerate(images):
        image.save(folder / f"{number:05}.png")
    return folder


def check_images(options, folder):
    """The same folders of images and the same weights, from pixels to scores, by each program."""
    import pytorch_fid.fid_score as fid_score
    import torch_fidelity
    from originals import pytorch_fid_inception

    numbers = range(options.images)
    samples = write_folder(folder / "test", pictures(options, "cifar10-test.zip", numbers))
    reference = write_folder(folder / "train", pictures(options, "cifar10-train-part0.zip", numbers))
    if options.inception:
        weights, state = options.inception, torch.load(options.inception, weights_only=True)
    else:
        dump = [options.onestep, "--quiet", "bench", "inception", "--batch", "1", "--seconds", "0", "--dump", folder / "bench"]
        subprocess.run(dump, check=True, stdout=subprocess.DEVNULL)
        state = state_dict(folder / "bench" / "weights.safetensors")
        weights = str(folder / "weights.pth")
        torch.save(state, weights)

    ours = evaluate(options, samples, reference, "-f", weights, "-p", "torch-fidelity", "-m", "fd,kid,is,pr")
    theirs = torch_fidelity.calculate_metrics(
        input1=str(samples),
        input2=str(reference),
        cuda=False,
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=min(1000, options.images),
        # Its precision and recall take another network unless told.
        feature_extractor="inception-v3-compat",
        feature_layer_prc="2048",
        feature_extractor_weights_path=weights,
        cache=False,
        verbose=False,
    )
    ok = True
    for what, value, key, rtol in [
        ("torch-fidelity, FID", ours["FID"]["value"], "frechet_inception_distance", 1e-4),
        # It multiplies features in single precision and cubes the products.
        ("torch-fidelity, KID", ours["KID"]["value"], "kernel_inception_distance_mean", 1e-3),
        ("torch-fidelity, IS", ours["IS"]["value"], "inception_score_mean", 1e-5),
        ("torch-fidelity, IS, deviation", ours["IS"]["error"], "inception_score_std", 1e-3),
        ("torch-fidelity, precision", ours["precision"]["value"], "precision", 0.02),
        ("torch-fidelity, recall", ours["recall"]["value"], "recall", 0.02),
    ]:
        ok &= compare(what, value, theirs[key], rtol)

    network = pytorch_fid_inception(state)
    statistics = [
        fid_score.compute_statistics_of_path(str(path), network, 16, 2048, "cpu", num_workers=0)
        for path in (samples, reference)
    ]
    (mu1, sigma1), (mu2, sigma2) = statistics
    theirs = fid_score.calculate_frechet_distance(mu1, sigma1, mu2, sigma2)
    ours = evaluate(options, samples, reference, "-f", weights, "-p", "pytorch-fid", "-m", "fd")
    ok &= compare("pytorch-fid, FID", ours["FID"]["value"], theirs, 1e-4)
    # With fewer images than features its matrix root is of a singular matrix; the symmetric root of the same statistics is not
    # troubled.
    symmetric = frechet_by_eigenvalues(mu1, sigma1, mu2, sigma2)
    ok &= compare("the same by the symmetric root", ours["FID"]["value"], symmetric, 1e-5)
    # Its statistics as a reference of ours.
    np.savez(folder / "reference.npz", mu=mu2, sigma=sigma2)
    ours = evaluate(options, samples, folder / "reference.npz", "-f", weights, "-p", "pytorch-fid", "-m", "fd")
    return ok & compare("FID to pytorch-fid's own statistics", ours["FID"]["value"], symmetric, 1e-5)


def frechet_by_eigenvalues(mu1, sigma1, mu2, sigma2):
    values, vectors = np.linalg.eigh(sigma1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ sigma2 @ root).clip(0)).sum()
    return ((mu1 - mu2) ** 2).sum() + np.trace(sigma1) + np.trace(sigma2) - 2 * overlap


def check_activations(options, folder):
    """The activations that onestep keeps, handed to the other programs' metrics."""
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    resnet = options.data / "weights" / "resnet20_cifar10.safetensors"
    sources = [options.data / "cifar10" / name for name in ("cifar10-test.zip", "cifar10-train-part0.zip")]
    settings = ["-f", resnet, "-p", "torch-fidelity", "-m", "fd,kid,pr", "-n", 3000]
    kept = []
    for number, source in enumerate(sources):
        path = folder / f"activations-{number}.safetensors"
        command = [options.onestep, "eval", source, *settings, "--stats-out", path, "-q"]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        kept.append(load_file(path)["kept"])
    ours = evaluate(options, folder / "activations-0.safetensors", folder / "activations-1.safetensors", "-m", "fd,kid,pr")

    # In double precision: what it is given in single it also adds up in single, which costs it the seventh digit.
    features = [torch.from_numpy(rows).double() for rows in kept]
    means = [rows.astype(np.float64).mean(0) for rows in kept]
    covariances = [np.cov(rows.astype(np.float64), rowvar=False) for rows in kept]
    quiet = {"verbose": False}
    theirs = {
        "FD": fid_statistics_to_metric(*map(fid_features_to_statistics, features), False)["frechet_inception_distance"],
        "FD of pytorch-fid": calculate_frechet_distance(means[0], covariances[0], means[1], covariances[1]),
        **kid_features_to_metric(*features, kid_subsets=100, kid_subset_size=1000, **quiet),
        **prc_features_to_metric(*features, prc_neighborhood=3, prc_batch_size=10000, save_cpu_ram=False, **quiet),
    }
    ok = compare("torch-fidelity, Fréchet distance", ours["FD"]["value"], theirs["FD"], 1e-9)
    ok &= compare("pytorch-fid, Fréchet distance", ours["FD"]["value"], theirs["FD of pytorch-fid"], 1e-9)
    ok &= compare("torch-fidelity, kernel distance", ours["KD"]["value"], theirs["kernel_inception_distance_mean"], 1e-9)
    ok &= compare("torch-fidelity, its deviation", ours["KD"]["error"], theirs["kernel_inception_distance_std"], 1e-9)
    # The shares themselves are means in single precision there.
    ok &= compare("torch-fidelity, precision", ours["precision"]["value"], theirs["precision"], 1e-3)
    return ok & compare("torch-fidelity, recall", ours["recall"]["value"], theirs["recall"], 1e-3)


def check_cifar(options, folder):
    """ResNet-20 on CIFAR-10: 2,000 training images beside test images, as they are and spoilt."""
    weights = options.data / "weights"
    resnet = weights / "resnet20_cifar10.safetensors"
    fixture = load_file(weights / "frechet_fixture_resnet20.safetensors")
    published = json.loads((weights / "frechet_fixture_resnet20.json").read_text())["all"]

    # The training images of the figures are not all at hand, but their activations are: as mu and sigma.
    train = fixture["feats_a"].astype(np.float64)
    np.savez(folder / "train.npz", mu=train.mean(0), sigma=np.cov(train, rowvar=False))

    # The test images are found by their activations.
    test = options.data / "cifar10" / "cifar10-test.zip"
    path = folder / "test.safetensors"
    command = [options.onestep, "eval", test, "-f", resnet, "-m", "fd,kid", "--stats-out", path, "-q"]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    seen = load_file(path)["kept"].astype(np.float64)
    wanted = fixture["feats_b"].astype(np.float64)
    distances = (wanted**2).sum(1)[:, None] + (seen**2).sum(1)[None] - 2 * wanted @ seen.T
    numbers = distances.argmin(1)
    print(f"test images found by activation: {len(set(numbers))}, at most {np.sqrt(max(distances.min(1).max(), 0)):.1e} away")

    def score(*samples):
        return evaluate(options, *samples, folder / "train.npz", "-f", resnet)["FD"]["value"]

    def spoilt(name, spoil):
        return score(write_folder(folder / name, [spoil(image) for image in pictures(options, test.name, numbers)]))

    def jpeg(image):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=75, subsampling="4:2:0")
        return Image.open(file).convert("RGB")

    random = np.random.default_rng(0)

    def noisy(image):
        values = np.asarray(image).astype(np.float64)
        return Image.fromarray((values + random.normal(0, 16, values.shape)).round().clip(0, 255).astype(np.uint8))

    def uniform(image):
        return Image.fromarray(random.integers(0, 256, np.asarray(image).shape, dtype=np.uint8))

    listed = ",".join(map(str, numbers))
    ok = compare("train against test", score(test, "--images", listed), published["train_vs_test"][2], 1e-5)
    ok &= compare("against test as JPEG, quality 75", spoilt("jpeg", jpeg), published["train_vs_test_jpeg75_420"][2], 0.01)
    # Other random numbers than those of the figures.
    ok &= compare("against test with noise of 16/255", spoilt("noise", noisy), published["train_vs_test_noise16"][2], 0.03)
    return ok & compare("against uniform noise", spoilt("uniform", uniform), published["train_vs_uniform_noise"][2], 0.03)


if __name__ == "__main__":
    main()
