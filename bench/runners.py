"""How each peer runs a network: the code inside of a contestant's own process."""

import time
import warnings

import numpy as np

from kernels import by_kernels, openvino_kernels, require_compiler, torch_kernels
from model import Case, Coefficients, ModelFile, features
from problem import Problem


def network_of(folder, channels_last=False):
    """The model file in `folder` and its network in PyTorch, with the numbers in place."""
    import networks
    import torch

    model = ModelFile(f"{folder}/model.safetensors")
    network = networks.build(model.architecture)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return model, networks.load(network, model.architecture, model, layout)


class TorchForward:
    """One evaluation of the raw network in PyTorch."""

    def __init__(self, peer, precision, case, export, threads):
        import torch

        self.torch, self.peer, self.precision = torch, peer, precision
        torch.set_num_threads(threads)
        if peer.compiled:
            require_compiler()
        self.autocast = precision == "bf16" and not peer.bf16_weights
        self.model, self.network = network_of(case, peer.channels_last)
        self.kind = torch.bfloat16 if peer.bf16_weights else torch.float32
        layout = torch.channels_last if peer.channels_last else torch.contiguous_format
        self.network.eval().to(self.kind)
        self.case = Case(case, self.model)
        images, told, labels = self.case.inputs()
        images = torch.from_numpy(images).to(dtype=self.kind, memory_format=layout)
        labels = None if labels is None else torch.from_numpy(labels)
        self.arguments = (images, torch.from_numpy(told).to(self.kind), labels)
        if peer.compiled:
            self.network = self.compile()
        # How long the passes took that compile something.
        self.compile_s = 0.0

    def compile(self):
        return self.torch.compile(self.network, options={"freezing": True})

    def scope(self):
        return self.torch.autocast("cpu", self.torch.bfloat16, enabled=self.autocast)

    def __call__(self):
        # no_grad, not inference_mode, because the freezing of torch.compile refuses inference tensors.
        with self.torch.no_grad(), self.scope():
            return self.network(*self.arguments)

    def first(self):
        """The first pass of its kind, which is when torch.compile compiles."""
        start = time.perf_counter()
        output = self()
        self.compile_s += time.perf_counter() - start
        return output

    def check(self):
        return self.case.difference(self.first().float().numpy())

    def notes(self):
        notes = [f"compiled in {self.compile_s:.0f} s, which is not timed"] if self.peer.compiled else []
        if self.precision == "bf16":
            notes.append(by_kernels(torch_kernels(self.torch, self)))
        return notes


class TorchTraining(TorchForward):
    """One training step in PyTorch: loss of Karras et al. 2022, backward pass, Adam, gradients dropped."""

    def compile(self):
        return self.torch.compile(self.network)

    def check(self):
        difference = super().check()
        torch = self.torch
        self.network.train()
        trained = [value for value in self.network.parameters() if value.requires_grad_(True).requires_grad]
        self.optimizer = torch.optim.Adam(trained, lr=1e-4, fused=True)
        self.random = np.random.default_rng(0)
        images, _, self.labels = self.arguments
        self.clean = torch.rand_like(images).mul_(2.0).sub_(1.0)
        self.loss = None
        self.first()
        if not np.isfinite(self.loss):
            raise Problem(f"the loss of the first step is {self.loss}")
        return difference

    def __call__(self):
        if not self.network.training:
            return super().__call__()
        torch, header = self.torch, self.model.header
        sigma = np.exp(-1.2 + 1.2 * self.random.standard_normal(len(self.clean)))
        at = Coefficients.of(header, sigma)
        told = torch.from_numpy(features(self.model.architecture, at.c_noise, self.case.frequencies))
        weight = (sigma**2 + header["sigma_data"] ** 2) / (sigma * header["sigma_data"]) ** 2

        def per_sample(values):
            return torch.from_numpy(values.astype(np.float32))[:, None, None, None]

        noisy = self.clean + torch.randn_like(self.clean) * per_sample(sigma)
        with self.scope():
            output = self.network(noisy * per_sample(at.c_in), told, self.labels)
        estimate = noisy * per_sample(at.c_skip) + output.float() * per_sample(at.c_out)
        loss = ((estimate - self.clean).square() * per_sample(weight)).mean()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.loss = float(loss.detach())
        return None


class OnnxRuntime:
    """One evaluation of the exported graph, with every graph optimization."""

    def __init__(self, _peer, _precision, case, export, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.session = onnxruntime.InferenceSession(export, options, providers=["CPUExecutionProvider"])
        self.case = Case(case, ModelFile(f"{case}/model.safetensors"))
        names = [entry.name for entry in self.session.get_inputs()]
        self.arguments = dict(zip(names, (value for value in self.case.inputs() if value is not None)))

    def __call__(self):
        return self.session.run(None, self.arguments)[0]

    def check(self):
        return self.case.difference(self())

    def notes(self):
        return []


class OpenVino:
    """One evaluation of the converted model, compiled for latency."""

    def __init__(self, _peer, precision, case, export, threads):
        import openvino

        self.precision = precision
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        self.compiled = openvino.Core().compile_model(export, "CPU", settings)
        self.request = self.compiled.create_infer_request()
        self.case = Case(case, ModelFile(f"{case}/model.safetensors"))
        self.arguments = [value for value in self.case.inputs() if value is not None]

    def __call__(self):
        return self.request.infer(self.arguments, share_inputs=True, share_outputs=True)[0]

    def check(self):
        return self.case.difference(np.array(self()))

    def notes(self):
        took = self.compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        took = {"bfloat16": "bf16", "float": "f32"}.get(took, took)
        notes = [] if took in ("", self.precision) else [f"asked for {self.precision}, runs in {took}"]
        if self.precision == "bf16":
            notes.append(by_kernels(openvino_kernels(self.compiled)))
        return notes


def runner(peer, training):
    if peer.name == "onnxruntime":
        return OnnxRuntime
    if peer.name == "openvino":
        return OpenVino
    return TorchTraining if training else TorchForward


def export(case, suffix, path):
    """Writes the network of `case` for a runtime that does not read PyTorch: `onnx`, or OpenVINO's `xml`."""
    import torch

    model, network = network_of(case)
    network.eval()
    arguments = [value for value in Case(case, model).inputs() if value is not None]
    arguments = tuple(torch.from_numpy(value) for value in arguments)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if suffix == "onnx":
            names = ["images", "features", "labels"][: len(arguments)]
            torch.onnx.export(network, arguments, path, input_names=names, dynamo=True, verbose=False)
        else:
            import openvino

            shapes = [(list(value.shape), openvino.Type(value.numpy().dtype)) for value in arguments]
            converted = openvino.convert_model(network, example_input=arguments, input=shapes)
            openvino.save_model(converted, path, compress_to_fp16=False)
