"""Records what PyTorch computes for each architecture; `udfs/engine/src/network` is tested against it.

    pip install torch==2.15.0 safetensors==0.8.0
    python tests/reference/generate.py

One file per architecture beside this script, `<architecture>.safetensors`, holds of the forecaster

    weight.<name>           parameters, named as the detector artefact names them
    gradient.<name>         d loss / d parameter
    inputs, targets, mask   [batch_size, seq_len, features | targets | targets]
    location, log_scale     the forecast, [batch_size, seq_len, targets]
    loss                    scalar

and `classify_<architecture>.safetensors` of the classifier weights, gradients, inputs and loss likewise, and

    classes                 [batch_size], 0 normal, 1 anomalous
    logits                  [batch_size, 2]

PyTorch computes in float64 and the result is rounded to float32 once, so that a difference is
the other side's error. The case contains targets beyond the clip, log scales beyond both ends
of the clamp, and masked steps; the script fails if it no longer does.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

BATCH_SIZE, SEQ_LEN, FEATURES, HIDDEN_SIZE, TARGETS = 3, 12, 5, 8, 3
TARGET_CLIP, LOG_SCALE_MIN, LOG_SCALE_MAX = 20.0, -4.0, 6.0
KERNEL_SIZE = 5
# Of the classifier: long enough that two convolutions and poolings leave steps.
WINDOW, DENSE_SIZE, WINDOWS = 21, 4, 6
SEED = 20261122


class CausalConvolutions(nn.Module):
    """Twice: convolution over the last 5 steps, tanh, maximum over the last 2 steps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(FEATURES, HIDDEN_SIZE, KERNEL_SIZE)
        self.conv2 = nn.Conv1d(HIDDEN_SIZE, HIDDEN_SIZE, KERNEL_SIZE)

    def forward(self, inputs: Tensor) -> Tensor:
        steps = inputs.transpose(1, 2)
        for conv in (self.conv1, self.conv2):
            steps = torch.tanh(conv(functional.pad(steps, (KERNEL_SIZE - 1, 0))))
            steps = functional.max_pool1d(functional.pad(steps, (1, 0), value=-2.0), 2, stride=1)
        return steps.transpose(1, 2)


class Forecaster(nn.Module):
    """Backbone and head; the names of the submodules are the names in the artefact."""

    def __init__(self, architecture: str) -> None:
        super().__init__()
        if architecture == "clstm":
            self.convolutions = CausalConvolutions()
        width = HIDDEN_SIZE if architecture == "clstm" else FEATURES
        cell = {"rnn": nn.RNN, "gru": nn.GRU}.get(architecture, nn.LSTM)
        self.recurrent = cell(width, HIDDEN_SIZE, batch_first=True)
        self.location = nn.Linear(HIDDEN_SIZE, TARGETS)
        self.log_scale = nn.Linear(HIDDEN_SIZE, TARGETS)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        if hasattr(self, "convolutions"):
            inputs = self.convolutions(inputs)
        hidden, _ = self.recurrent(inputs)
        return self.location(hidden), self.log_scale(hidden)


def laplace_loss(location: Tensor, log_scale: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    b = log_scale.clamp(LOG_SCALE_MIN, LOG_SCALE_MAX)
    y = targets.clamp(-TARGET_CLIP, TARGET_CLIP)
    terms = (y - location).abs() * torch.exp(-b) + b
    return (terms * mask).sum() / mask.sum()


def record(architecture: str) -> dict[str, Tensor]:
    torch.manual_seed(SEED)
    # float32 first: what is stored must be exactly what was computed with.
    model = Forecaster(architecture)
    inputs = 1.5 * torch.randn(BATCH_SIZE, SEQ_LEN, FEATURES)
    # The second target has log scales around the lower bound, where deviations weigh exp(4).
    targets = torch.tensor([12.0, 0.3, 12.0]) * torch.randn(BATCH_SIZE, SEQ_LEN, TARGETS)
    mask = (torch.rand(BATCH_SIZE, SEQ_LEN, TARGETS) < 0.8).float()
    with torch.no_grad():
        for parameter in model.recurrent.parameters():
            parameter *= 1.5
        model.log_scale.weight *= 8.0
        # Centre the targets' log scales inside the range and on each of its bounds.
        centre = model(inputs)[1].mean(dim=(0, 1))
        model.log_scale.bias += torch.tensor([0.0, LOG_SCALE_MIN, LOG_SCALE_MAX]) - centre

    stored = {f"weight.{name}": p.detach().clone() for name, p in model.named_parameters()}
    stored |= {"inputs": inputs, "targets": targets, "mask": mask}
    model, inputs, targets, mask = model.double(), inputs.double(), targets.double(), mask.double()
    location, log_scale = model(inputs)
    loss = laplace_loss(location, log_scale, targets, mask)
    loss.backward()

    assert (targets > TARGET_CLIP).any() and (targets < -TARGET_CLIP).any()
    assert (log_scale < LOG_SCALE_MIN).any() and (log_scale > LOG_SCALE_MAX).any()
    assert (mask == 0).any()
    stored |= {f"gradient.{name}": p.grad for name, p in model.named_parameters()}
    stored |= {"location": location, "log_scale": log_scale, "loss": loss}
    return {name: tensor.detach().float().contiguous() for name, tensor in stored.items()}


class Convolutions(nn.Module):
    """Twice: convolution without padding, tanh, maximum of each two steps (Kim & Cho 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(FEATURES, HIDDEN_SIZE, KERNEL_SIZE)
        self.conv2 = nn.Conv1d(HIDDEN_SIZE, HIDDEN_SIZE, KERNEL_SIZE)

    def forward(self, inputs: Tensor) -> Tensor:
        steps = inputs.transpose(1, 2)
        for conv in (self.conv1, self.conv2):
            steps = functional.max_pool1d(torch.tanh(conv(steps)), 2)
        return steps.transpose(1, 2)


class Classifier(nn.Module):
    """Backbone, dense layer with tanh, two classes."""

    def __init__(self, architecture: str) -> None:
        super().__init__()
        if architecture == "clstm":
            self.convolutions = Convolutions()
        width = HIDDEN_SIZE if architecture == "clstm" else FEATURES
        cell = {"rnn": nn.RNN, "gru": nn.GRU}.get(architecture, nn.LSTM)
        self.recurrent = cell(width, HIDDEN_SIZE, batch_first=True)
        self.dense = nn.Linear(HIDDEN_SIZE, DENSE_SIZE)
        self.output = nn.Linear(DENSE_SIZE, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        if hasattr(self, "convolutions"):
            inputs = self.convolutions(inputs)
        hidden, _ = self.recurrent(inputs)
        return self.output(torch.tanh(self.dense(hidden[:, -1])))


def record_classifier(architecture: str) -> dict[str, Tensor]:
    torch.manual_seed(SEED)
    model = Classifier(architecture)
    inputs = 1.5 * torch.randn(WINDOWS, WINDOW, FEATURES)
    classes = torch.arange(WINDOWS) % 2
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.5
    stored = {f"weight.{name}": p.detach().clone() for name, p in model.named_parameters()}
    stored |= {"inputs": inputs}
    model, inputs = model.double(), inputs.double()
    logits = model(inputs)
    loss = functional.cross_entropy(logits, classes)
    loss.backward()
    stored |= {f"gradient.{name}": p.grad for name, p in model.named_parameters()}
    stored |= {"logits": logits, "loss": loss}
    recorded = {name: tensor.detach().float().contiguous() for name, tensor in stored.items()}
    return recorded | {"classes": classes.to(torch.uint8)}


def main() -> None:
    metadata = {"torch": torch.__version__}
    for architecture in ("rnn", "lstm", "gru", "clstm"):
        path = Path(__file__).with_name(f"{architecture}.safetensors")
        save_file(record(architecture), path, metadata=metadata)
        path = Path(__file__).with_name(f"classify_{architecture}.safetensors")
        save_file(record_classifier(architecture), path, metadata=metadata)


if __name__ == "__main__":
    main()
