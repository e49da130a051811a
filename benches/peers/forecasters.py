"""PyTorch and ONNX Runtime doing what the kernels do: the same weights, inputs and outputs.

    forecasters.py FOLDER torch-blocks  lstm      a pass over all blocks, forecasts of their last 60 steps
    forecasters.py FOLDER torch-sliding lstm      a window of 60 for every row, forecast of its last step
    forecasters.py FOLDER onnx-blocks   lstm
    forecasters.py FOLDER torch-train   lstm      a hundred optimiser steps over 64 × 120
    forecasters.py FOLDER torch-fine-tune lstm    sixty optimiser steps over 64 × 120 from shipped weights
    forecasters.py FOLDER gemm                    2048³

FOLDER holds what `ours` recorded: weights, some blocks and their forecasts. A contestant refuses to
be timed before it has reproduced those. It tries several batch sizes and ways to use two threads,
and is timed with the best.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from worker import serve

THREADS = 2
os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS)
# Where these are set, they keep OpenBLAS from its fastest kernel.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import numpy as np  # noqa: E402
WINDOW, SKIP = 60, 60
TOLERANCE = 2e-4


def load(folder: Path, architecture: str):
    from safetensors.numpy import load_file

    tensors = load_file(folder / f"{architecture}.safetensors")
    weights = {
        name.removeprefix("weight."): value
        for name, value in tensors.items()
        if name.startswith("weight.")
    }
    return weights, tensors["inputs"], tensors["location"]


def tiled(sample: np.ndarray, blocks: int) -> np.ndarray:
    """As many blocks as are wanted, made of those that were recorded."""
    repeats = -(-blocks // len(sample))
    return np.ascontiguousarray(np.tile(sample, (repeats, 1, 1))[:blocks])


def check(found: np.ndarray, expected: np.ndarray) -> None:
    error = np.abs(found - expected).max()
    if not error < TOLERANCE:
        sys.exit(f"does other work than ours: forecasts differ by {error}")


def fastest(configurations, run):
    """The configuration that a first run shows to be the fastest."""

    def seconds(configuration):
        run(configuration)
        start = time.perf_counter()
        run(configuration)
        return time.perf_counter() - start

    return min(configurations, key=seconds)


def shared(function, batches, workers):
    """The batches on so many threads."""
    if workers == 1:
        return [function(batch) for batch in batches]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, batches))


def batches(array, size):
    return [array[at : at + size] for at in range(0, len(array), size)]


# PyTorch


def torch_model(architecture: str, weights: dict):
    import torch
    from torch import nn
    from torch.nn import functional

    class Convolutions(nn.Module):
        def __init__(self, features, hidden):
            super().__init__()
            self.conv1 = nn.Conv1d(features, hidden, 5)
            self.conv2 = nn.Conv1d(hidden, hidden, 5)

        def forward(self, inputs):
            steps = inputs.transpose(1, 2)
            for conv in (self.conv1, self.conv2):
                steps = torch.tanh(conv(functional.pad(steps, (4, 0))))
                padded = functional.pad(steps, (1, 0), value=-2.0)
                steps = functional.max_pool1d(padded, 2, stride=1)
            return steps.transpose(1, 2)

    class Forecaster(nn.Module):
        def __init__(self):
            super().__init__()
            targets, hidden = weights["location.weight"].shape
            width = weights["recurrent.weight_ih_l0"].shape[1]
            if architecture == "clstm":
                features = weights["convolutions.conv1.weight"].shape[1]
                self.convolutions = Convolutions(features, hidden)
            cell = {"rnn": nn.RNN, "gru": nn.GRU}.get(architecture, nn.LSTM)
            self.recurrent = cell(width, hidden, batch_first=True)
            self.location = nn.Linear(hidden, targets)
            self.log_scale = nn.Linear(hidden, targets)

        def forward(self, inputs, skip: int):
            if hasattr(self, "convolutions"):
                inputs = self.convolutions(inputs)
            hidden, _ = self.recurrent(inputs)
            hidden = hidden[:, skip:]
            return self.location(hidden), self.log_scale(hidden)

    model = Forecaster()
    model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
    return model


def torch_passes(architecture: str, folder: Path, blocks: int, sliding: bool):
    import torch

    weights, sample, expected = load(folder, architecture)
    model = torch_model(architecture, weights).eval()
    with torch.inference_mode():
        check(model(torch.from_numpy(sample), SKIP)[0].numpy(), expected)
    if sliding:
        # One window of 60 per row, of which the last step is judged.
        windows = np.concatenate([sample[:, at : at + WINDOW] for at in range(WINDOW)])
        inputs, skip = torch.from_numpy(tiled(windows, blocks)), WINDOW - 1
    else:
        inputs, skip = torch.from_numpy(tiled(sample, blocks)), SKIP

    def forecast(batch):
        with torch.inference_mode():
            return model(batch, skip)

    def run(configuration, inputs=inputs):
        size, workers = configuration
        torch.set_num_threads(THREADS // workers)
        shared(forecast, batches(inputs, size), workers)

    trial = inputs[: 4 * 1024]
    configurations = [(size, workers) for size in (128, 256, 512, 1024) for workers in (1, THREADS)]
    best = fastest(configurations, lambda configuration: run(configuration, trial))
    run(best, trial)
    return lambda: run(best), {"version": torch.__version__, "batch_size, workers": best}


def torch_train(architecture: str, folder: Path, name: str, steps: int):
    import torch

    weights, sample, expected = load(folder, name)
    model = torch_model(architecture, weights)
    inputs = torch.from_numpy(tiled(sample, 64))
    with torch.inference_mode():
        check(model(torch.from_numpy(sample), SKIP)[0].numpy(), expected)
    targets = torch.randn(64, 120, weights["location.weight"].shape[0])
    mask = torch.ones_like(targets)
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=1e-5, foreach=True)

    def step():
        location, log_scale = model(inputs, 0)
        b = log_scale.clamp(-4, 6)
        terms = (targets.clamp(-20, 20) - location).abs() * torch.exp(-b) + b
        loss = (terms * mask).sum() / mask.sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()

    def run(threads):
        torch.set_num_threads(threads)
        for _ in range(steps):
            step()

    best = fastest([1, THREADS], run)
    return lambda: run(best), {"version": torch.__version__, "threads": best}


def gemm(size=2048):
    """The faster of PyTorch's and NumPy's single-precision product: MKL's and OpenBLAS's."""
    import torch

    torch.set_num_threads(THREADS)
    a, b = torch.randn(size, size), torch.randn(size, size)
    out = torch.empty(size, size)
    arrays = [tensor.numpy() for tensor in (a, b, out)]
    products = {
        f"torch {torch.__version__}": lambda: torch.mm(a, b, out=out),
        f"numpy {np.__version__}": lambda: np.matmul(arrays[0], arrays[1], out=arrays[2]),
    }

    def run(name):
        for _ in range(4):
            products[name]()

    best = fastest(products, run)
    return lambda: run(best), {"version": best}


# ONNX Runtime


def onnx_model(architecture: str, weights: dict) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    targets, hidden = weights["location.weight"].shape
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    steps = "inputs"
    if architecture == "clstm":
        steps = node("Transpose", [steps], "channels", perm=[0, 2, 1])
        for layer in ("conv1", "conv2"):
            kernel = [
                constant(f"{layer}.{part}", weights[f"convolutions.{layer}.{part}"])
                for part in ("weight", "bias")
            ]
            steps = node("Conv", [steps, *kernel], f"{layer}.sum", pads=[4, 0], kernel_shape=[5])
            steps = node("Tanh", [steps], f"{layer}.tanh")
            steps = node("MaxPool", [steps], f"{layer}.pool", kernel_shape=[2], pads=[1, 0])
        steps = node("Transpose", [steps], "sequence", perm=[2, 0, 1])
    else:
        steps = node("Transpose", [steps], "sequence", perm=[1, 0, 2])
    # PyTorch's order of gates to ONNX's.
    order = {"rnn": [0], "gru": [1, 0, 2]}.get(architecture, [0, 3, 1, 2])

    def gates(name):
        parts = np.split(weights[f"recurrent.{name}_l0"], len(order))
        return np.concatenate([parts[gate] for gate in order])

    recurrent = [
        constant("W", gates("weight_ih")[None]),
        constant("R", gates("weight_hh")[None]),
        constant("B", np.concatenate([gates("bias_ih"), gates("bias_hh")])[None]),
    ]
    kind = {"rnn": "RNN", "gru": "GRU"}.get(architecture, "LSTM")
    attributes = {"linear_before_reset": 1} if kind == "GRU" else {}
    node(kind, [steps, *recurrent], "hidden", hidden_size=hidden, **attributes)
    starts, ends = constant("starts", np.array([SKIP])), constant("ends", np.array([10**6]))
    node("Slice", ["hidden", starts, ends, constant("step_axis", np.array([0]))], "judged")
    node("Squeeze", ["judged", constant("direction_axis", np.array([1]))], "states")
    for head in ("location", "log_scale"):
        weight = constant(f"{head}.weight", weights[f"{head}.weight"].T)
        node("MatMul", ["states", weight], f"{head}.product")
        node("Add", [f"{head}.product", constant(f"{head}.bias", weights[f"{head}.bias"])], head)

    def tensor(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    features = weights.get("convolutions.conv1.weight", weights["recurrent.weight_ih_l0"]).shape[1]
    graph = helper.make_graph(
        nodes,
        architecture,
        [tensor("inputs", ["blocks", 120, features])],
        [tensor(head, [120 - SKIP, "blocks", targets]) for head in ("location", "log_scale")],
        constants,
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def onnx_blocks(architecture: str, folder: Path, blocks: int):
    import onnxruntime

    weights, sample, expected = load(folder, architecture)
    model = onnx_model(architecture, weights)

    def session(threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    sessions = {threads: session(threads) for threads in (1, THREADS)}
    [location] = sessions[1].run(["location"], {"inputs": sample})
    check(location.transpose(1, 0, 2), expected)
    inputs = tiled(sample, blocks)

    def run(configuration, inputs=inputs):
        size, workers = configuration
        session = sessions[THREADS // workers]
        shared(lambda batch: session.run(None, {"inputs": batch}), batches(inputs, size), workers)

    configurations = [(size, workers) for size in (64, 128, 256, 512) for workers in (1, THREADS)]
    best = fastest(configurations, lambda configuration: run(configuration, inputs[: 4 * 1024]))
    return lambda: run(best), {
        "version": onnxruntime.__version__,
        "batch_size, workers": best,
    }


def main() -> None:
    folder, kind, *rest = sys.argv[1:]
    folder = Path(folder)
    blocks = json.loads((folder / "sizes.json").read_text())["blocks"]
    match kind, rest:
        case "torch-blocks", [architecture]:
            serve(*torch_passes(architecture, folder, blocks, sliding=False))
        case "torch-sliding", [architecture]:
            # A sixtieth of the rows: each costs 60 steps.
            serve(*torch_passes(architecture, folder, blocks, sliding=True))
        case "onnx-blocks", [architecture]:
            serve(*onnx_blocks(architecture, folder, blocks))
        case "torch-train", [architecture]:
            serve(*torch_train(architecture, folder, architecture, 100))
        case "torch-fine-tune", [architecture]:
            serve(*torch_train(architecture, folder, f"shipped-{architecture}", 60))
        case "gemm", []:
            serve(*gemm())
        case _:
            sys.exit(__doc__)


main()
