"""Writes golden files of random networks: what PyTorch computes for them in float64. README.md says what stands in a file.

    generate.py FOLDER [--count N] [--seed S] [--only FAMILY,…]
    generate.py FOLDER --again FILE --name NAME --optimizer JSON [--steps N]

The second form takes network, rows and start values from a file that is there, and trains with another optimizer.

Run by hand, with any Python that has PyTorch 2 (`make bench-peers` installs one below build/). File number i of a family is a function of
the seed, i and PyTorch's version. A network whose numbers float32 can't hold to the tolerances, because PyTorch itself in float32 is off by
more than half of them (relu at 0, the sign of a gradient that is nearly 0), shows nothing, and another is drawn in its place.
"""

import argparse
import json
import math
import os
import random

import torch
import torch.nn.functional as functional

import optimizers
from layers import ACTIVATIONS, Network

TOLERANCES = {"pass": (1e-6, 1e-4), "train": (1e-5, 1e-3)}
TRIES = 50


# ---- numbers and files ----


def tensor_json(tensor):
    values = tensor.detach().reshape(-1).tolist()
    is_index = not tensor.is_floating_point()
    return {"shape": list(tensor.shape), "data": [int(v) if is_index else number(v) for v in values]}


def number(value):
    return float(f"{value:.9g}")


def as_float32(tensor):
    """The nearest numbers that float32 has, as float64."""
    return tensor.float().double()


# ---- one case: network, loss, optimizer → numbers ----


def cost(loss, z, a, target):
    kind = loss["type"]
    if kind == "cross_entropy":
        weights = loss.get("class_weights")
        return functional.cross_entropy(
            z,
            target,
            weight=None if weights is None else torch.tensor(weights, dtype=z.dtype),
            label_smoothing=loss.get("label_smoothing", 0.0),
            ignore_index=loss.get("ignore_index", -100),
        )
    target = target.to(z.dtype)
    if kind == "binary_cross_entropy":
        return functional.binary_cross_entropy_with_logits(z, target)
    if kind == "squared_error":
        return (a - target).square().sum() / len(z)
    if kind == "mean_squared_error":
        return functional.mse_loss(a, target)
    if kind == "mean_absolute_error":
        return functional.l1_loss(a, target)
    if kind == "huber":
        return functional.huber_loss(a, target, delta=loss.get("delta", 1.0))
    raise ValueError(kind)


def named(tensors):
    return {name: tensor_json(tensor) for name, tensor in tensors.items()}


def snapshot(tensors):
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def restore(network, start):
    with torch.no_grad():
        for name, tensor in {**network.tensors(), **network.buffers()}.items():
            tensor.copy_(start[name])


def measure(case, dtype):
    """Everything that a file expects, with numbers of the given type."""
    network = Network(case["network"], dtype)
    restore(network, case["start"])
    x = case["x"] if not case["x"].is_floating_point() else case["x"].to(dtype)
    out = {}
    with torch.no_grad():
        out["output_inference"] = network.forward(x, False, case["lengths"])[1]
    if x.is_floating_point():
        x = x.clone().requires_grad_()
    z, a = network.forward(x, True, case["lengths"])
    value = cost(case["loss"], z, a, case["target"])
    value.backward()
    out["output"], out["loss"] = a.detach(), value.detach()
    tensors = network.tensors()
    out["gradients"] = {
        name: torch.zeros_like(tensor) if tensor.grad is None else tensor.grad.clone() for name, tensor in tensors.items()
    }
    if x.is_floating_point():
        out["input_gradient"] = x.grad
    out["buffers"] = snapshot(network.buffers())

    restore(network, case["start"])
    optimizer, losses = optimizers.create(case["train"]["optimizer"], list(tensors.values())), []
    x = x.detach()

    def evaluate():
        optimizer.zero_grad()
        z, a = network.forward(x, True, case["lengths"])
        value = cost(case["loss"], z, a, case["target"])
        value.backward()
        if "clip_norm" in case["train"]:
            torch.nn.utils.clip_grad_norm_(list(tensors.values()), case["train"]["clip_norm"])
        return value

    for _ in range(case["train"]["steps"]):
        losses.append(optimizer.step(evaluate).detach())
    out["losses"] = torch.stack(losses)
    out["trained_parameters"], out["trained_buffers"] = snapshot(tensors), snapshot(network.buffers())
    return out


def worst_error(single, double, tolerance):
    """Of PyTorch's float32, in units of the tolerance."""
    if isinstance(double, dict):
        return max([worst_error(single[name], double[name], tolerance) for name in double], default=0.0)
    absolute, relative = tolerance
    error = ((single.double() - double).abs() / (absolute + relative * double.abs())).max().item()
    return error if math.isfinite(error) else math.inf


def is_noise(case, double):
    """Whether gradients are 0 but for float64's rounding: all of a tensor's; or some, which optimizers that divide by their size take for
    a direction."""
    sizes = [gradient.abs() for gradient in double["gradients"].values()]
    if any(0 < size.max() < 1e-12 for size in sizes):
        return True
    if case["train"]["optimizer"]["type"] in ("sgd", "lbfgs"):
        return False
    return any(((0 < size) & (size < 1e-12)).any() for size in sizes)


def is_well_conditioned(case, double):
    if is_noise(case, double):
        return False
    single = measure(case, torch.float32)
    trained = ("losses", "trained_parameters", "trained_buffers")
    return all(worst_error(single[key], double[key], TOLERANCES["train" if key in trained else "pass"]) <= 0.5 for key in double)


def case_json(name, case, double):
    network = Network(case["network"], torch.float64)
    expect = {key: tensor_json(double[key]) for key in ("output_inference", "output")}
    expect["loss"] = number(double["loss"].item())
    expect["gradients"] = named(double["gradients"])
    if "input_gradient" in double:
        expect["input_gradient"] = tensor_json(double["input_gradient"])
    expect["buffers"] = named(double["buffers"])
    expect["train"] = {
        "losses": [number(value) for value in double["losses"].tolist()],
        "parameters": named(double["trained_parameters"]),
        "buffers": named(double["trained_buffers"]),
    }
    return {
        "case": name,
        "source": f"PyTorch {torch.__version__.split('+')[0]}, float64",
        "network": case["network"],
        "loss": case["loss"],
        "input": tensor_json(case["x"]),
        "target": tensor_json(case["target"]),
        "parameters": named({key: case["start"][key] for key in network.tensors()}),
        "buffers": named({key: case["start"][key] for key in network.buffers()}),
        "train": case["train"],
        "expect": expect,
    }


# ---- drawing cases ----


class Draw:
    """Random choices, and the layers chosen so far with the shape of what the last one gives."""

    def __init__(self, seed, shape):
        self.random = random.Random(seed)
        self.input = shape
        self.layers = []
        self.shape = list(shape)
        self.has_lengths = False

    def chance(self, share):
        return self.random.random() < share

    def maybe(self, spec, key, share, *values):
        if self.chance(share):
            spec[key] = self.random.choice(values)

    def try_add(self, **layer):
        """Appends a layer. False, and nothing happens, if PyTorch can't have it there."""
        layer.setdefault("name", f"{layer['type']}_{len(self.layers)}")
        network = {"input": {"shape": self.input}, "layers": self.layers + [layer]}
        try:
            shape = Network(network, torch.float64).output_shape()
        except (RuntimeError, ValueError, AssertionError):
            return False
        if math.prod(shape) > 700 or math.prod(shape) == 0:
            return False
        self.layers.append(layer)
        self.shape = shape
        return True

    def add(self, **layer):
        if not self.try_add(**layer):
            raise ValueError(f"{layer} after {self.shape}")

    @property
    def last(self):
        return self.layers[-1]["name"] if self.layers else "input"

    def activation(self):
        name = self.random.choice(sorted(ACTIVATIONS))
        options = {
            "leaky_relu": ("negative_slope", (0.2, 0.05)),
            "elu": ("alpha", (0.5, 1.7)),
            "gelu": ("approximate", ("tanh", "none")),
            "softplus": ("beta", (2.0, 0.7)),
        }
        if name in options and self.chance(0.5):
            key, values = options[name]
            return {"type": name, key: self.random.choice(values)}
        return name

    def wear(self, layer, share=0.6):
        """Gives the layer an activation, or not."""
        if self.chance(share):
            layer["activation"] = self.activation()
        return layer

    def sizes(self, low, high, count=2):
        """One number for all axes, or one for each."""
        numbers = [self.random.randint(low, high) for _ in range(count)]
        return numbers if count > 1 and self.chance(0.4) else numbers[0]


def draw_table_layer(draw):
    kind = draw.random.choice(["dense", "dense", "dense", "batch_norm", "layer_norm", "activation", "add", "concat", "reshape", "dropout"])
    if kind == "dense":
        layer = draw.wear({"type": "dense", "units": draw.random.randint(1, 9)})
        draw.maybe(layer, "bias", 0.2, False)
    elif kind == "batch_norm":
        layer = draw.wear({"type": "batch_norm"}, 0.3)
        draw.maybe(layer, "momentum", 0.4, 0.8, 0.99, 0.5)
        draw.maybe(layer, "epsilon", 0.3, 1e-3, 0.01)
        draw.maybe(layer, "affine", 0.2, False)
        draw.maybe(layer, "track_running_stats", 0.2, False)
    elif kind == "layer_norm":
        layer = draw.wear({"type": "layer_norm"}, 0.3)
        draw.maybe(layer, "axes", 0.3, len(draw.shape))
        draw.maybe(layer, "epsilon", 0.3, 1e-3, 0.01)
        draw.maybe(layer, "elementwise_affine", 0.2, False)
        draw.maybe(layer, "bias", 0.2, False)
    elif kind == "activation":
        layer = {"type": "activation", "function": draw.activation()}
    elif kind == "dropout":
        layer = {"type": "dropout", "rate": 0.0}
    elif kind == "reshape":
        size = math.prod(draw.shape)
        rows = draw.random.choice([n for n in range(1, size + 1) if size % n == 0])
        layer = {"type": "reshape", "shape": [rows, size // rows]}
    else:
        same = [name for name, shape in shapes_of(draw).items() if shape == draw.shape]
        others = [draw.random.choice(same) for _ in range(draw.random.randint(1, 2))]
        layer = draw.wear({"type": kind, "inputs": [draw.last] + others}, 0.3)
        if kind == "concat":
            draw.maybe(layer, "axis", 0.5, *range(-len(draw.shape), len(draw.shape)))
    return draw.try_add(**layer)


def shapes_of(draw):
    network = Network({"input": {"shape": draw.input}, "layers": draw.layers}, torch.float64)
    return network.all_shapes()


def draw_image_layer(draw):
    channels = draw.shape[0]
    kind = draw.random.choice(["conv2d", "conv2d", "conv2d", "max_pool2d", "avg_pool2d", "batch_norm", "residual", "other"])
    if kind == "conv2d":
        groups = draw.random.choice([n for n in range(1, channels + 1) if channels % n == 0]) if draw.chance(0.3) else 1
        layer = draw.wear({"type": "conv2d", "filters": groups * draw.random.randint(1, 3), "kernel_size": draw.sizes(1, 4)})
        if groups > 1:
            layer["groups"] = groups
        draw.maybe(layer, "stride", 0.4, draw.sizes(1, 3))
        draw.maybe(layer, "padding", 0.6, draw.sizes(0, 3), "same", "valid")
        draw.maybe(layer, "dilation", 0.4, draw.sizes(1, 3))
        draw.maybe(layer, "padding_mode", 0.2, "reflect", "replicate", "circular")
        draw.maybe(layer, "bias", 0.2, False)
        return draw.try_add(**layer)
    if kind in ("max_pool2d", "avg_pool2d"):
        return draw_pool(draw, kind, 2)
    if kind == "residual":
        name = draw.last
        inner = draw.wear({"type": "conv2d", "filters": channels, "kernel_size": draw.random.choice([1, 3, 5]), "padding": "same"})
        return draw.try_add(**inner) and draw.try_add(**draw.wear({"type": "add", "inputs": [name, draw.last]}))
    return draw_table_layer(draw)


def draw_pool(draw, kind, axes):
    size = draw.sizes(1, 4, axes)
    layer = draw.wear({"type": kind, "pool_size": size}, 0.2)
    least = min(size) if isinstance(size, list) else size
    draw.maybe(layer, "stride", 0.6, draw.sizes(1, 3, axes))
    draw.maybe(layer, "padding", 0.5, draw.random.randint(0, least // 2))
    draw.maybe(layer, "ceil_mode", 0.3, True)
    if kind.startswith("avg"):
        draw.maybe(layer, "count_include_pad", 0.3, False, True)
        if axes == 2:
            draw.maybe(layer, "divisor_override", 0.2, 3, 7)
    else:
        draw.maybe(layer, "dilation", 0.3, draw.sizes(1, 2, axes))
    return draw.try_add(**layer)


def draw_sequence_layer(draw):
    width = draw.shape[-1]
    kind = draw.random.choice(
        ["rnn", "lstm", "gru", "self_attention", "self_attention", "conv1d", "max_pool1d", "avg_pool1d", "residual", "other", "other"]
    )
    if kind in ("rnn", "lstm", "gru"):
        layer = {"type": kind, "units": draw.random.randint(1, 5), "return_sequences": True}
        draw.maybe(layer, "bidirectional", 0.4, True)
        draw.maybe(layer, "bias", 0.2, False)
        if kind == "rnn":
            draw.maybe(layer, "nonlinearity", 0.4, "relu", "tanh")
        return draw.try_add(**draw.wear(layer, 0.2))
    if kind == "self_attention":
        return draw.try_add(**draw.wear(draw_attention(draw, width), 0.2))
    if kind == "conv1d":
        groups = draw.random.choice([n for n in range(1, width + 1) if width % n == 0]) if draw.chance(0.3) else 1
        layer = draw.wear({"type": "conv1d", "filters": groups * draw.random.randint(1, 3), "kernel_size": draw.random.randint(1, 4)})
        if groups > 1:
            layer["groups"] = groups
        draw.maybe(layer, "stride", 0.3, 2, 3)
        draw.maybe(layer, "padding", 0.5, 1, 2, 3, "same", "valid")
        draw.maybe(layer, "dilation", 0.4, 2, 3)
        draw.maybe(layer, "padding_mode", 0.2, "reflect", "replicate", "circular")
        draw.maybe(layer, "bias", 0.2, False)
        return draw.try_add(**layer)
    if kind in ("max_pool1d", "avg_pool1d"):
        return draw_pool(draw, kind, 1)
    if kind == "residual":
        name, attention = draw.last, draw_attention(draw, width)
        if draw.chance(0.5) and not draw.try_add(type="layer_norm"):
            return False
        return draw.try_add(**attention) and draw.try_add(type="add", inputs=[name, draw.last])
    return draw_table_layer(draw)


def draw_attention(draw, width):
    layer = {"type": "self_attention", "heads": draw.random.choice([n for n in range(1, width + 1) if width % n == 0])}
    draw.maybe(layer, "causal", 0.5, True)
    draw.maybe(layer, "bias", 0.2, False)
    draw.maybe(layer, "add_bias_kv", 0.2, True)
    draw.maybe(layer, "add_zero_attn", 0.2, True)
    return layer


def draw_body(draw, draw_layer, count, rank):
    """Up to `count` layers, as long as the shape has `rank` axes."""
    added = tries = 0
    while added < count and tries < 40:
        if rank and len(draw.shape) != rank:
            break
        before = len(draw.layers), draw.shape
        if draw_layer(draw):
            added += 1
        else:
            draw.layers, draw.shape = draw.layers[: before[0]], before[1]
        tries += 1


def draw_table(seed):
    draw = Draw(seed, [random.Random(seed).randint(1, 9)])
    draw_body(draw, draw_table_layer, draw.random.randint(0, 7), None)
    return draw


def draw_deep(seed):
    draw = Draw(seed, [random.Random(seed).randint(2, 6)])
    draw_body(draw, draw_table_layer, draw.random.randint(12, 24), None)
    return draw


def draw_image(seed):
    chooser = random.Random(seed)
    draw = Draw(seed, [chooser.randint(1, 4), chooser.randint(3, 11), chooser.randint(3, 11)])
    draw_body(draw, draw_image_layer, draw.random.randint(1, 4), 3)
    if len(draw.shape) == 3 and draw.chance(0.5):
        draw.try_add(type=draw.random.choice(["global_avg_pool", "global_max_pool"]))
    return draw


def draw_pooled(seed):
    """Convolutions with max pooling by 2 × 2 behind them, of so many filters that both are computed in one go."""
    chooser = random.Random(seed)
    draw = Draw(seed, [chooser.choice([1, 2, 5]), chooser.randint(4, 8), chooser.randint(4, 8)])
    for _ in range(2):
        layer = {"type": "conv2d", "filters": draw.random.choice([8, 11, 17]), "kernel_size": draw.sizes(1, 4)}
        draw.maybe(layer, "activation", 0.8, "relu")
        draw.maybe(layer, "padding", 0.7, draw.sizes(1, 2), "same")
        draw.maybe(layer, "bias", 0.2, False)
        draw.try_add(**layer) and draw.try_add(**draw.wear({"type": "max_pool2d", "pool_size": 2}, 0.3))
        if draw.chance(0.3):
            break
    return draw


def draw_sequence(seed, draw=None):
    chooser = random.Random(seed)
    draw = draw or Draw(seed, [chooser.randint(1, 9), chooser.randint(1, 6)])
    draw_body(draw, draw_sequence_layer, draw.random.randint(1, 4), 2)
    if len(draw.shape) == 2:
        kind = draw.random.choice(["global_avg_pool", "global_max_pool", "rnn", "lstm", "gru", "flatten"])
        layer = {"type": kind}
        if kind in ("rnn", "lstm", "gru"):
            layer["units"] = draw.random.randint(1, 6)
            draw.maybe(layer, "bidirectional", 0.4, True)
            draw.maybe(layer, "bias", 0.2, False)
        draw.try_add(**layer)
    return draw


def draw_text(seed):
    chooser = random.Random(seed)
    draw = Draw(seed, [chooser.randint(1, 9)])
    layer = {"type": "embedding", "input_dim": chooser.randint(2, 12), "output_dim": chooser.randint(1, 6)}
    draw.add(**layer)
    if draw.chance(0.5):
        draw.add(type="positional_embedding")
    return draw_sequence(seed, draw)


def draw_attending(seed):
    """Sequences that attention alone mixes, longer than one block of queries now and then."""
    chooser = random.Random(seed)
    draw = Draw(seed, [chooser.choice([1, 2, 5, 8, 13, 70]), chooser.choice([1, 2, 3, 4])])
    for _ in range(draw.random.randint(1, 2)):
        name = draw.last
        draw.try_add(**draw.wear(draw_attention(draw, draw.shape[-1]), 0.3))
        if draw.chance(0.5):
            draw.try_add(type="add", inputs=[name, draw.last])
        if draw.chance(0.5):
            draw.try_add(**draw.wear({"type": "dense", "units": draw.random.randint(1, 6)}))
    return draw


def keeps_lengths(layer):
    """Whether a layer has a meaning for sequences of different length."""
    if layer["type"] in ("batch_norm", "reshape", "flatten", "dropout") or layer.get("padding_mode", "zeros") != "zeros":
        return False
    if layer.get("padding") == "same" and layer.get("stride", 1) != 1:
        return False
    return layer.get("axes", 1) == 1 and layer.get("axis", -1) in (-1, 1)


def draw_padded(seed):
    """Sequences of different length, told by their padding."""
    chooser = random.Random(seed)
    time, width = chooser.randint(3, 9), chooser.randint(1, 6)
    if chooser.random() < 0.5:
        tokens = chooser.randint(2, 9)
        draw = Draw(seed, [time])
        draw.add(type="embedding", input_dim=tokens, output_dim=width, padding_idx=chooser.randrange(tokens))
    else:
        draw = Draw(seed, [time, width])
        draw.add(type="masking")
    draw.has_lengths = True
    if draw.chance(0.3):
        draw.add(type="positional_embedding")

    def draw_layer(draw):
        before = len(draw.layers)
        return draw_sequence_layer(draw) and all(keeps_lengths(layer) for layer in draw.layers[before:])

    draw_body(draw, draw_layer, draw.random.randint(0, 3), 2)
    kind = draw.random.choice(["global_avg_pool", "global_max_pool", "rnn", "lstm", "gru"])
    layer = {"type": kind}
    if kind in ("rnn", "lstm", "gru"):
        layer["units"] = draw.random.randint(1, 6)
        draw.maybe(layer, "bidirectional", 0.5, True)
    draw.add(**layer)
    return draw


FAMILIES = {
    "table": draw_table,
    "deep": draw_deep,
    "attention": draw_attending,
    "image": draw_image,
    "pooled": draw_pooled,
    "sequence": draw_sequence,
    "text": draw_text,
    "padded": draw_padded,
}


def draw_output(draw):
    """The last layer and a loss that fits it."""
    kind = draw.random.choice(
        ["cross_entropy", "cross_entropy", "binary_cross_entropy", "squared_error", "mean_squared_error", "mean_absolute_error", "huber"]
    )
    loss = {"type": kind}
    if kind == "cross_entropy":
        if len(draw.shape) > 1:
            draw.add(type="flatten")
        classes = draw.random.randint(2, 5)
        draw.add(type="dense", units=classes, activation="softmax")
        draw.maybe(loss, "label_smoothing", 0.3, 0.1, 0.3)
        draw.maybe(loss, "class_weights", 0.3, [round(draw.random.uniform(0.2, 2), 3) for _ in range(classes)])
        draw.maybe(loss, "ignore_index", 0.15, 0, 1)
        return loss
    if len(draw.shape) > 1 and draw.chance(0.7):
        draw.add(type="flatten")
    output = {"type": "dense", "units": draw.random.randint(1, 4)}
    if kind == "binary_cross_entropy":
        output["activation"] = "sigmoid"
    elif draw.chance(0.6):
        output["activation"] = draw.random.choice(["linear", "tanh", "sigmoid", "softmax", "relu"])
    draw.add(**output)
    if kind == "huber":
        draw.maybe(loss, "delta", 0.6, 0.4, 2.0)
    return loss


def pad(draw, x):
    """Lengths for the samples; behind them their padding, before them none at the last step."""
    first = draw.layers[0]
    padding = first.get("padding_idx", 0)
    lengths = [draw.random.randint(1, x.shape[1]) for _ in x]
    for sample, length in zip(x, lengths):
        if first["type"] == "embedding" and sample[length - 1] == padding:
            sample[length - 1] = (padding + 1) % first["input_dim"]
        sample[length:] = padding
    return lengths


def draw_case(family, seed):
    draw = FAMILIES[family](seed)
    loss = draw_output(draw)
    spec = {"input": {"shape": draw.input}, "layers": draw.layers}
    torch.manual_seed(seed)
    network = Network(spec, torch.float64)
    tensors, buffers = network.tensors(), network.buffers()
    start = {}
    for name, tensor in tensors.items():
        fan = math.prod(tensor.shape[1:]) if tensor.dim() > 1 else 4
        noise = torch.randn(tensor.shape, dtype=torch.float64) / math.sqrt(fan)
        is_scale = name.endswith(".weight") and tensor.dim() == 1
        start[name] = as_float32(noise * 0.3 + 1 if is_scale else noise)
    for name, buffer in buffers.items():
        start[name] = as_float32(torch.rand_like(buffer) + 0.5 if name.endswith("var") else torch.randn_like(buffer))
    train = {"optimizer": optimizers.draw(draw), "steps": draw.random.randint(3, 8)}
    if buffers and "line_search" in train["optimizer"]:
        raise ValueError("PyTorch moves the buffers at each point that the search looks at")
    batch = draw.random.choice([1, 2, 3, 4, 5])
    if any(layer["type"] == "batch_norm" for layer in draw.layers):
        batch = max(batch, 4)
    if draw.layers[0]["type"] == "embedding":
        x = torch.randint(draw.layers[0]["input_dim"], [batch] + draw.input)
    else:
        x = as_float32(torch.randn([batch] + draw.input, dtype=torch.float64))
    lengths = pad(draw, x) if draw.has_lengths else None
    shape = network.output_shape()
    if loss["type"] == "cross_entropy":
        target = torch.randint(shape[0], [batch])
    elif loss["type"] == "binary_cross_entropy":
        target = torch.randint(2, [batch] + shape).double()
    else:
        target = as_float32(torch.randn([batch] + shape, dtype=torch.float64))
    if train["optimizer"]["type"] != "lbfgs":  # whose search would clip at each of its points
        draw.maybe(train, "clip_norm", 0.25, 0.1, 0.5, 3.0)
    return {"network": spec, "loss": loss, "x": x, "target": target, "start": start, "train": train, "lengths": lengths}


def write_case(folder, family, number_, seed):
    name = f"random_{family}_{number_:03d}"
    for attempt in range(TRIES):
        try:
            case = draw_case(family, seed * 1000003 + number_ * 1009 + attempt)
            double = measure(case, torch.float64)
        except (ValueError, RuntimeError):
            continue  # a layer has no place where it was drawn, or a batch norm one value only
        if is_well_conditioned(case, double):
            break
    else:
        raise SystemExit(f"{name}: no network of {TRIES} can be told from its rounding")
    write_file(folder, name, case, double)


def write_file(folder, name, case, double):
    with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
        json.dump(case_json(name, case, double), file, separators=(",", ":"))
        file.write("\n")


# ---- a case that is there, trained otherwise ----


def read_tensor(json_, is_index=False):
    return torch.tensor(json_["data"], dtype=torch.int64 if is_index else torch.float64).reshape(json_["shape"])


def write_again(folder, path, name, optimizer, steps):
    with open(path, encoding="utf-8") as file:
        json_ = json.load(file)
    is_token = json_["network"]["layers"][0]["type"] == "embedding"
    case = {
        "network": json_["network"],
        "loss": json_["loss"],
        "x": read_tensor(json_["input"], is_token),
        "target": read_tensor(json_["target"], json_["loss"]["type"] == "cross_entropy"),
        "start": {key: read_tensor(value) for key, value in {**json_["parameters"], **json_["buffers"]}.items()},
        "train": {"optimizer": optimizer, "steps": steps},
        "lengths": None,
    }
    double = measure(case, torch.float64)
    if not is_well_conditioned(case, double):
        raise SystemExit(f"{name}: PyTorch itself is off in float32")
    write_file(folder, name, case, double)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=20, help="files of each family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(FAMILIES), help="families, by default all")
    parser.add_argument("--again", metavar="FILE", help="train this file's network with another optimizer")
    parser.add_argument("--name", help="of the file to write")
    parser.add_argument("--optimizer", type=json.loads, help="its spec")
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(options.folder, exist_ok=True)
    if options.again:
        write_again(options.folder, options.again, options.name, options.optimizer, options.steps)
        return
    for family in options.only.split(","):
        for number_ in range(options.count):
            write_case(options.folder, family, number_, options.seed)


if __name__ == "__main__":
    main()
