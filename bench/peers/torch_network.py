"""A network spec as a careful user of PyTorch would write it: modules of torch.nn, and for attention its own function or the formula."""

import math

import torch
import torch.nn.functional as functional
from torch import nn

FUNCTIONS = {"linear": lambda z: z, "relu": functional.relu, "gelu": functional.gelu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


def attend(q, k, v, is_causal):
    """softmax(QKᵀ / √d) V written out: a PyTorch before 2.0 has no function for it, and with a later one it may be the faster way."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if is_causal:
        scores = scores + scores.new_full(scores.shape[-2:], -math.inf).triu(1)
    return torch.softmax(scores, -1) @ v


class Attention(nn.Module):
    def __init__(self, width, heads, is_causal, is_written_out):
        super().__init__()
        self.heads, self.is_causal = heads, is_causal
        self.attend = attend if is_written_out else functional.scaled_dot_product_attention
        self.in_proj, self.out_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        batch, time, width = x.shape
        q, k, v = self.in_proj(x).view(batch, time, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = self.attend(q, k, v, is_causal=self.is_causal)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, time, width))

    def tensors(self):
        names = {"in_proj_weight": self.in_proj.weight, "in_proj_bias": self.in_proj.bias}
        return {**names, "out_proj.weight": self.out_proj.weight, "out_proj.bias": self.out_proj.bias}


class Positions(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))

    def forward(self, x):
        return x + self.weight


class Recurrent(nn.Module):
    """The last step's output of nn.LSTM and its like."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)[0][:, -1]

    def tensors(self):
        return {name.replace("_l0", ""): tensor for name, tensor in self.module.named_parameters()}


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(1) if x.dim() == 3 else x.mean((2, 3))


def create_module(layer, shape, is_attention_written_out):
    kind = layer["type"]
    if kind == "dense":
        return nn.Linear(shape[-1], layer["units"])
    if kind == "conv2d":
        return nn.Conv2d(shape[0], layer["filters"], layer["kernel_size"], padding=layer.get("padding", 0))
    if kind == "max_pool2d":
        return nn.MaxPool2d(layer["pool_size"])
    if kind == "layer_norm":
        return nn.LayerNorm(shape[-1])
    if kind == "embedding":
        return nn.Embedding(layer["input_dim"], layer["output_dim"])
    if kind == "positional_embedding":
        return Positions(shape)
    if kind == "self_attention":
        return Attention(shape[-1], layer["heads"], layer.get("causal", False), is_attention_written_out)
    if kind in ("rnn", "lstm", "gru"):
        return Recurrent({"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind](shape[-1], layer["units"], batch_first=True))
    return {"flatten": nn.Flatten, "global_avg_pool": Mean, "add": nn.Identity}[kind]()


class Network(nn.Module):
    """z of the last layer; `spec` is the match's network, `tensors` its start weights by layer.tensor."""

    def __init__(self, spec, tensors, is_attention_written_out=False):
        super().__init__()
        self.steps, self.layers = [], nn.ModuleList()
        is_tokens = any(layer["type"] == "embedding" for layer in spec["layers"])
        outputs = {"input": torch.zeros([1] + spec["input"]["shape"], dtype=torch.long if is_tokens else torch.float32)}
        previous = "input"
        for index, layer in enumerate(spec["layers"]):
            name, inputs = layer.get("name", f"{layer['type']}_{index}"), layer.get("inputs", [previous])
            module = create_module(layer, list(outputs[inputs[0]].shape[1:]), is_attention_written_out)
            own = module.tensors() if hasattr(module, "tensors") else dict(module.named_parameters())
            with torch.no_grad():
                for tensor_name, tensor in own.items():
                    tensor.copy_(torch.from_numpy(tensors[f"{name}.{tensor_name}"]))
            is_last = index + 1 == len(spec["layers"])
            function = FUNCTIONS["linear" if is_last else layer.get("activation", "linear")]
            self.steps.append((name, inputs, module, layer["type"] == "add", function))
            self.layers.append(module)
            with torch.no_grad():
                outputs[name] = self.run_step(self.steps[-1], outputs)
            previous = name

    def run_step(self, step, outputs):
        _, inputs, module, adds, function = step
        if adds:
            return function(sum((outputs[name] for name in inputs[1:]), outputs[inputs[0]]))
        return function(module(outputs[inputs[0]]))

    def forward(self, x):
        outputs = {"input": x}
        for step in self.steps:
            outputs[step[0]] = self.run_step(step, outputs)
        return outputs[self.steps[-1][0]]
