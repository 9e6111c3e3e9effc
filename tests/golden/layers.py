"""A network spec as PyTorch computes it: each layer of ours is a module of PyTorch's, or a few of its functions. Used by generate.py."""

import math

import torch
import torch.nn.functional as functional
from torch import nn

ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": functional.relu,
    "leaky_relu": lambda z, negative_slope=0.01: functional.leaky_relu(z, negative_slope),
    "elu": lambda z, alpha=1.0: functional.elu(z, alpha),
    "selu": functional.selu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda z: torch.softmax(z, -1),
    "gelu": lambda z, approximate="none": functional.gelu(z, approximate=approximate),
    "silu": functional.silu,
    "mish": functional.mish,
    "softplus": lambda z, beta=1.0, threshold=20.0: functional.softplus(z, beta, threshold),
    "hard_sigmoid": functional.hardsigmoid,
}


def activate(spec, z):
    if isinstance(spec, str):
        return ACTIVATIONS[spec](z)
    options = {key: value for key, value in spec.items() if key != "type"}
    return ACTIVATIONS[spec["type"]](z, **options)


class Layer:
    """One layer: `modules` are PyTorch's, `names` maps our tensors' names to theirs where they differ."""

    def __init__(self, spec, shapes, dtype):
        self.spec, self.shapes, self.dtype = spec, shapes, dtype
        self.module, self.names = None, {}
        self.build(**{key: value for key, value in spec.items() if key not in ("type", "name", "inputs", "activation", "initializer")})
        if self.module is not None:
            self.module.to(dtype)

    def build(self):
        pass

    def tensors(self):
        if self.module is None:
            return {}
        return {self.names.get(name, name): tensor for name, tensor in self.module.named_parameters()}

    def buffers(self):
        if self.module is None:
            return {}
        return {name: buffer for name, buffer in self.module.named_buffers() if name != "num_batches_tracked"}


class Dense(Layer):
    def build(self, units, bias=True):
        self.module = nn.Linear(self.shapes[0][-1], units, bias)

    def forward(self, x, training):
        return self.module(x[0])


class Activation(Layer):
    def build(self, function):
        self.function = function

    def forward(self, x, training):
        return activate(self.function, x[0])


class Dropout(Layer):
    def build(self, rate):
        assert rate == 0, "random masks are not PyTorch's"

    def forward(self, x, training):
        return x[0]


class BatchNorm(Layer):
    def build(self, momentum=0.9, epsilon=1e-5, affine=True, track_running_stats=True):
        channels = self.shapes[0][1] if len(self.shapes[0]) == 2 else self.shapes[0][0]
        self.module = nn.BatchNorm1d(channels, epsilon, 1 - momentum, affine, track_running_stats)

    def forward(self, x, training):
        self.module.train(training)
        is_sequence = x[0].dim() == 3
        channels_second = x[0].transpose(1, 2) if is_sequence else x[0]
        flat = channels_second if channels_second.dim() == 2 else channels_second.flatten(2)
        z = self.module(flat).reshape(channels_second.shape)
        return z.transpose(1, 2) if is_sequence else z


class LayerNorm(Layer):
    def build(self, axes=1, epsilon=1e-5, elementwise_affine=True, bias=True):
        assert axes <= len(self.shapes[0])
        self.module = nn.LayerNorm(self.shapes[0][-axes:], epsilon, elementwise_affine, bias)

    def forward(self, x, training):
        return self.module(x[0])


class Add(Layer):
    def forward(self, x, training):
        assert all(other.shape == x[0].shape for other in x)
        return sum(x[1:], x[0])


class Concat(Layer):
    def build(self, axis=-1):
        self.axis = axis if axis < 0 else axis + 1

    def forward(self, x, training):
        return torch.cat(x, self.axis)


class Flatten(Layer):
    def forward(self, x, training):
        return x[0].flatten(1)


class Reshape(Layer):
    def build(self, shape):
        self.shape = shape

    def forward(self, x, training):
        return x[0].reshape([len(x[0])] + self.shape)


class Window(Layer):
    """Convolution and pooling: of images in place, of sequences [time, features] with time last."""

    axes = 2

    def forward(self, x, training):
        assert x[0].dim() == self.axes + 2
        if self.axes == 2:
            return self.slide(x[0])
        return self.slide(x[0].transpose(1, 2)).transpose(1, 2)

    def slide(self, x):
        return self.module(x)

    def channels(self):
        return self.shapes[0][0] if self.axes == 2 else self.shapes[0][-1]

    def per_axis(self, size):
        return tuple(size) if isinstance(size, list) else (size,) * self.axes


class Conv2d(Window):
    kind = nn.Conv2d

    def build(self, filters, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode="zeros"):
        padding = padding if isinstance(padding, str) else self.per_axis(padding)
        sizes = [self.per_axis(size) for size in (kernel_size, stride)]
        self.module = self.kind(self.channels(), filters, *sizes, padding, self.per_axis(dilation), groups, bias, padding_mode)


class Conv1d(Conv2d):
    axes = 1
    kind = nn.Conv1d


class MaxPool2d(Window):
    function = staticmethod(functional.max_pool2d)

    def build(self, pool_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        sizes = [self.per_axis(size) for size in (pool_size, pool_size if stride is None else stride, padding, dilation)]
        self.arguments = sizes + [ceil_mode]

    def slide(self, x):
        return self.function(x, *self.arguments)


class MaxPool1d(MaxPool2d):
    axes = 1
    function = staticmethod(functional.max_pool1d)


class AvgPool2d(MaxPool2d):
    function = staticmethod(functional.avg_pool2d)

    def build(self, pool_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        sizes = [self.per_axis(size) for size in (pool_size, pool_size if stride is None else stride, padding)]
        self.arguments = sizes + [ceil_mode, count_include_pad] + ([] if divisor_override is None else [divisor_override])


class AvgPool1d(AvgPool2d):
    axes = 1
    function = staticmethod(functional.avg_pool1d)


class GlobalAvgPool(Layer):
    def forward(self, x, training):
        assert x[0].dim() in (3, 4)
        return x[0].mean(1) if x[0].dim() == 3 else x[0].mean((2, 3))


class GlobalMaxPool(Layer):
    def forward(self, x, training):
        assert x[0].dim() in (3, 4)
        return x[0].amax(1) if x[0].dim() == 3 else x[0].flatten(2).amax(2)


class Embedding(Layer):
    def build(self, input_dim, output_dim, padding_idx=None):
        self.module = nn.Embedding(input_dim, output_dim, padding_idx)

    def forward(self, x, training):
        return self.module(x[0].long())


class Masking(Layer):
    """Nothing to do where sequences come without their padding."""

    def build(self, mask_value=0.0):
        pass

    def forward(self, x, training):
        return x[0]


class PositionalEmbedding(Layer):
    def build(self):
        self.module = nn.Embedding(self.shapes[0][0], self.shapes[0][1])

    def forward(self, x, training):
        return x[0] + self.module.weight[: x[0].shape[1]]


class Recurrent(Layer):
    def build(self, units, return_sequences=False, bidirectional=False, bias=True, nonlinearity=None):
        options = {} if nonlinearity is None else {"nonlinearity": nonlinearity}
        assert len(self.shapes[0]) == 2
        self.module = self.kind(self.shapes[0][1], units, bias=bias, batch_first=True, bidirectional=bidirectional, **options)
        self.units, self.return_sequences = units, return_sequences
        self.names = {name: name.replace("_l0", "") for name, _ in self.module.named_parameters()}

    def forward(self, x, training):
        out, _ = self.module(x[0])
        if self.return_sequences:
            return out
        return torch.cat([out[:, -1, : self.units], out[:, 0, self.units :]], -1)  # each direction's last step


class Rnn(Recurrent):
    kind = nn.RNN


class Lstm(Recurrent):
    kind = nn.LSTM


class Gru(Recurrent):
    kind = nn.GRU


class SelfAttention(Layer):
    def build(self, heads, causal=False, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False):
        assert dropout == 0 and len(self.shapes[0]) == 2
        self.causal = causal
        self.module = nn.MultiheadAttention(
            self.shapes[0][1], heads, bias=bias, add_bias_kv=add_bias_kv, add_zero_attn=add_zero_attn, batch_first=True
        )

    def forward(self, x, training):
        mask = torch.ones(x[0].shape[1], x[0].shape[1], dtype=torch.bool).triu(1) if self.causal else None
        self.module.train()  # always by the same path; without dropout they compute the same
        return self.module(x[0], x[0], x[0], attn_mask=mask, need_weights=False)[0]


LAYERS = {
    "dense": Dense,
    "activation": Activation,
    "dropout": Dropout,
    "batch_norm": BatchNorm,
    "layer_norm": LayerNorm,
    "add": Add,
    "concat": Concat,
    "flatten": Flatten,
    "reshape": Reshape,
    "conv2d": Conv2d,
    "conv1d": Conv1d,
    "max_pool2d": MaxPool2d,
    "max_pool1d": MaxPool1d,
    "avg_pool2d": AvgPool2d,
    "avg_pool1d": AvgPool1d,
    "global_avg_pool": GlobalAvgPool,
    "global_max_pool": GlobalMaxPool,
    "embedding": Embedding,
    "masking": Masking,
    "positional_embedding": PositionalEmbedding,
    "rnn": Rnn,
    "lstm": Lstm,
    "gru": Gru,
    "self_attention": SelfAttention,
}


class Network:
    """Layers in the order of the spec; each takes the one before, or those that it names."""

    def __init__(self, spec, dtype):
        self.input, self.dtype, self.layers = spec["input"]["shape"], dtype, []
        self.shapes, previous = {"input": list(self.input)}, "input"
        for layer in spec["layers"]:
            inputs = layer.get("inputs", [previous])
            built = LAYERS[layer["type"]](layer, [self.shapes[name] for name in inputs], dtype)
            previous = layer["name"]
            self.layers.append((previous, inputs, built))
            self.shapes[previous] = self.find_shape(built, inputs)

    def find_shape(self, layer, inputs):
        """By a forward pass of two samples, which leaves the layer as it was."""
        kept = {name: buffer.clone() for name, buffer in layer.buffers().items()}
        with torch.no_grad():
            shape = list(layer.forward([torch.zeros([2] + self.shapes[name], dtype=self.dtype) for name in inputs], True).shape[1:])
            for name, buffer in layer.buffers().items():
                buffer.copy_(kept[name])
        return shape

    def output_shape(self):
        return self.shapes[self.layers[-1][0]] if self.layers else self.input

    def all_shapes(self):
        return self.shapes

    def tensors(self):
        return {f"{name}.{tensor}": value for name, _, layer in self.layers for tensor, value in layer.tensors().items()}

    def buffers(self):
        return {f"{name}.{buffer}": value for name, _, layer in self.layers for buffer, value in layer.buffers().items()}

    def forward(self, x, training, lengths=None):
        """z and a of the last layer. Samples of different length go through it one by one, without their padding."""
        if lengths is None:
            return self.forward_batch(x, training)
        pairs = [self.forward_batch(x[i : i + 1, :length], training) for i, length in enumerate(lengths)]
        return torch.cat([z for z, _ in pairs]), torch.cat([a for _, a in pairs])

    def forward_batch(self, x, training):
        outputs, z = {"input": x}, x
        for name, inputs, layer in self.layers:
            z = layer.forward([outputs[source] for source in inputs], training)
            outputs[name] = activate(layer.spec.get("activation", "linear"), z)
        name, _, layer = self.layers[-1]
        return z, outputs[name]
