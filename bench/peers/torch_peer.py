"""PyTorch's side of a match. Usage: torch_peer.py eager|compile float32|bfloat16

The loop is what a careful user writes: rows gathered from one tensor, no DataLoader, gradients set to None, nothing read back from a step.
Of the settings that PyTorch offers for it, those of the given mode are tried on the match itself, and the fastest one plays:
  eager    the optimizer as a loop over tensors, over lists of tensors (foreach), or as one kernel (fused)
  compile  forward and backward pass compiled, with the fused optimizer; or the whole step, optimizer included, as one compiled function
Convolutions are tried with channels first and last, attention by scaled_dot_product_attention and written out as softmax(QKᵀ / √d) V, each
with every way of the mode. A setting that this PyTorch doesn't have is passed over: eager runs from 1.13 on.
"""

import logging
import re
import sys

import torch
import torch.nn.functional as functional

import protocol
import torch_network

mode, precision = sys.argv[1:3]
torch.set_num_threads(1)
if mode == "compile":
    torch._logging.set_logs(all=logging.ERROR)
TRIALS, TRIAL_SECONDS = 3, 0.1


class Trial:
    """A network from the match's start weights, and one way to take a step with it."""

    def __init__(self, match, way):
        self.match = match
        self.network = self.create_network(way)
        if "channels last" in way:
            self.network = self.network.to(memory_format=torch.channels_last)
        self.parameters = list(self.network.parameters())
        self.start = [parameter.detach().clone() for parameter in self.parameters]
        self.x = torch.from_numpy(match.x)
        if match.network:
            self.x = self.x.long() if match.tokens else self.x.view(-1, *match.network["input"]["shape"])
        self.y = torch.from_numpy(match.y) if match.loss != "cross_entropy" else torch.from_numpy(match.y).long()
        if match.loss == "squared_error" and match.widths[-1] > 1:
            self.y = functional.one_hot(self.y.long(), match.widths[-1]).float()
        self.order = list(torch.from_numpy(match.order).unbind())
        self.optimizer = self.create_optimizer(way)
        self.step = self.create_step(way)
        self.seconds = float("inf")
        self.take_steps(self.order[:4])  # compiles and allocates

    def create_network(self, way):
        if self.match.network:
            return torch_network.Network(self.match.network, self.match.tensors, "attention written out" in way)
        modules = []
        for weight, bias in self.match.layers:
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(weight))
                linear.bias.copy_(torch.from_numpy(bias))
            modules += [linear, {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}[self.match.hidden]()]
        return torch.nn.Sequential(*modules[:-1])

    def create_optimizer(self, way):
        kernels = {"loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}, "step": {"foreach": True}}[way.split()[0]]
        if self.match.optimizer == "sgd":
            return torch.optim.SGD(self.parameters, lr=self.match.learning_rate, momentum=self.match.momentum, **kernels)
        return torch.optim.Adam(self.parameters, lr=self.match.learning_rate, **kernels)

    def loss(self, x, y):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            z = self.network(x)
        z = z.float()
        if self.match.loss == "cross_entropy":
            return functional.cross_entropy(z, y)
        if self.match.loss == "binary_cross_entropy":
            return functional.binary_cross_entropy_with_logits(z.squeeze(1), y)
        return (torch.sigmoid(z) - y.view_as(z)).square().sum(1).mean()

    def create_step(self, way):
        loss, optimizer, parameters = self.loss, self.optimizer, self.parameters
        if way.startswith("step"):
            torch._dynamo.config.trace_autograd_ops = True

            def whole(x, y):
                for parameter, gradient in zip(parameters, torch.autograd.grad(loss(x, y), parameters)):
                    parameter.grad = gradient
                optimizer.step()

            return torch.compile(whole, dynamic=False)
        if mode == "compile":
            loss = torch.compile(loss, dynamic=False)

        def step(x, y):
            optimizer.zero_grad(set_to_none=True)
            loss(x, y).backward()
            optimizer.step()

        return step

    def take_steps(self, order):
        x, y, step = self.x, self.y, self.step
        for rows in order:
            step(x.index_select(0, rows), y.index_select(0, rows))

    def try_out(self):
        """What some steps take; the least of all times so far."""
        spent = count = 0
        while spent < TRIAL_SECONDS:
            with protocol.Timer() as timer:
                self.take_steps(self.order[:8])
            spent, count = spent + timer.spent, count + 1
        self.seconds = min(self.seconds, spent / count)

    def reset(self):
        """Back to the start, in place, so that nothing that was compiled or allocated is lost."""
        with torch.no_grad():
            for parameter, start in zip(self.parameters, self.start):
                parameter.copy_(start)
            for state in self.optimizer.state.values():
                for value in state.values():
                    if torch.is_tensor(value):
                        value.zero_()

    def run(self):
        self.reset()
        with protocol.Timer() as timer:
            self.take_steps(self.order)
        with torch.no_grad():
            loss = sum(self.loss(x, y).item() * len(x) for x, y in zip(self.x.split(256), self.y.split(256))) / len(self.x)
        return timer, loss


def open_match(match):
    if mode == "compile":
        torch._dynamo.reset()
    trials, failure = {}, None
    ways = {"eager": ["loop", "foreach", "fused"], "compile": ["fused", "step"]}[mode]
    kinds = {layer["type"] for layer in match.network["layers"]} if match.network else ()
    for kind, other in ("conv2d", "channels last"), ("self_attention", "attention written out"):
        if kind in kinds:
            ways += [f"{way} {other}" for way in ways]
    for way in ways:
        try:
            trials[way] = Trial(match, way)
        except Exception as error:  # a setting that this version or machine can't do: another may
            failure = error
    if not trials:
        raise failure
    for _ in range(TRIALS):
        for trial in trials.values():
            trial.try_out()
    way = min(trials, key=lambda way: trials[way].seconds)
    optimizer = "SGD" if match.optimizer == "sgd" else "Adam"
    kernels, *others = way.split(" ", 1)
    return " ".join(["whole step compiled" if kernels == "step" else f"{kernels} {optimizer}", *others]), trials[way].run


if precision == "bfloat16" and not torch.backends.mkldnn.is_available():
    sys.exit("this build of PyTorch has no bfloat16 kernels")
capability = re.search(r"CPU capability usage: (.+)", torch.__config__.show())[1]
protocol.serve(f"PyTorch {torch.__version__}, {torch.get_num_threads()} thread, {capability}", open_match)
