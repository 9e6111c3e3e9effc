"""Optimizer specs as PyTorch's optimizers. Used by generate.py."""

import importlib

import torch


# What PyTorch takes as a pair, the two names that it has here, and their defaults.
PAIRS = [
    ("betas", "beta1", "beta2", 0.9, 0.999),
    ("etas", "eta_minus", "eta_plus", 0.5, 1.2),
    ("step_sizes", "step_size_min", "step_size_max", 1e-6, 50.0),
]


def rename(spec, **names):
    """The spec's settings by PyTorch's names."""
    names = {"learning_rate": "lr", "epsilon": "eps", **names}
    settings = {names.get(key, key): value for key, value in spec.items() if key != "type"}
    for pair, first, second, *defaults in PAIRS:
        if first in settings or second in settings:
            settings[pair] = settings.pop(first, defaults[0]), settings.pop(second, defaults[1])
    return settings


class Lion(torch.optim.Optimizer):
    """Lion, which PyTorch hasn't, as its paper writes it (arXiv:2302.06675)."""

    def __init__(self, tensors, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, maximize=False):
        super().__init__(tensors, {})
        self.lr, self.betas, self.weight_decay, self.sign = lr, betas, weight_decay, -1 if maximize else 1

    def step(self, closure):
        value = closure()
        with torch.no_grad():
            for tensor in self.param_groups[0]["params"]:
                mean, gradient = self.state[tensor].get("mean", torch.zeros_like(tensor)), self.sign * tensor.grad
                tensor.mul_(1 - self.lr * self.weight_decay)
                tensor -= self.lr * (self.betas[0] * mean + (1 - self.betas[0]) * gradient).sign()
                self.state[tensor]["mean"] = self.betas[1] * mean + (1 - self.betas[1]) * gradient
        return value


class NAdam(torch.optim.Optimizer):
    """NAdam as it was until PyTorch 1.13, and is in ours: the momentum of a step enters the product that corrects the next one twice."""

    def __init__(self, tensors, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3, **flags):
        super().__init__(tensors, {})
        self.lr, self.betas, self.eps, self.weight_decay, self.momentum_decay = lr, betas, eps, weight_decay, momentum_decay
        self.is_decoupled, self.sign = flags.pop("decoupled_weight_decay", False), -1 if flags.pop("maximize", False) else 1
        self.count, self.product = 0, 1.0
        assert not flags

    def momentum(self, count):
        return self.betas[0] * (1 - 0.5 * 0.96 ** (count * self.momentum_decay))

    def step(self, closure):
        value = closure()
        self.count += 1
        now, following = self.momentum(self.count), self.momentum(self.count + 1)
        self.product *= now
        with torch.no_grad():
            for tensor in self.param_groups[0]["params"]:
                self.update(tensor, now, following)
        return value

    def update(self, tensor, now, following):
        gradient, state = self.sign * tensor.grad, self.state[tensor]
        if self.is_decoupled:
            tensor.mul_(1 - self.lr * self.weight_decay)
        else:
            gradient = gradient + self.weight_decay * tensor
        mean, square = state.get("mean", torch.zeros_like(tensor)), state.get("square", torch.zeros_like(tensor))
        state["mean"] = mean = self.betas[0] * mean + (1 - self.betas[0]) * gradient
        state["square"] = square = self.betas[1] * square + (1 - self.betas[1]) * gradient.square()
        size = (square / (1 - self.betas[1] ** self.count)).sqrt() + self.eps
        tensor -= self.lr * (1 - now) / (1 - self.product) * gradient / size
        tensor -= self.lr * following / (1 - self.product * now * following) * mean / size


def keep_search_whole():
    """L-BFGS's line search looks at up to 25 points, as in PyTorch 1.13; some of later versions end it with what max_eval leaves, which is
    none at all of one iteration."""
    module = importlib.import_module("torch.optim.lbfgs")
    search = module._strong_wolfe
    module._strong_wolfe = lambda *arguments, max_ls=None, **settings: search(*arguments, **settings)


keep_search_whole()

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": NAdam,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "adamax": torch.optim.Adamax,
    "radam": torch.optim.RAdam,
    "rprop": torch.optim.Rprop,
    "lion": Lion,
    "lbfgs": torch.optim.LBFGS,
}


def create(spec, tensors):
    kind = spec["type"]
    settings = rename(spec, decay="alpha") if kind == "rmsprop" else rename(spec, line_search="line_search_fn")
    if kind == "lbfgs":
        settings.setdefault("max_iter", 1)  # ours; PyTorch's is 20
    elif kind == "lion" and "betas" in settings:
        settings["betas"] = spec.get("beta1", 0.9), spec.get("beta2", 0.99)
    return OPTIMIZERS[kind](tensors, **settings)


def draw(draw_):
    """An optimizer with some of its settings."""
    choose = draw_.random.choice
    kind = choose(sorted(OPTIMIZERS))
    spec = {"type": kind, "learning_rate": {"sgd": 0.05, "adadelta": 1.0, "lbfgs": 0.5}.get(kind, 0.01)}
    if kind == "lbfgs":
        draw_.maybe(spec, "history_size", 0.4, 1, 3)
        draw_.maybe(spec, "line_search", 0.5, "strong_wolfe")
        return spec
    if kind == "rprop":
        draw_.maybe(spec, "eta_minus", 0.3, 0.4, 0.7)
        draw_.maybe(spec, "eta_plus", 0.3, 1.1, 1.5)
        draw_.maybe(spec, "step_size_max", 0.3, 0.012)
        draw_.maybe(spec, "maximize", 0.1, True)
        return spec
    draw_.maybe(spec, "weight_decay", 0.3, 0.1, 0.01)
    if kind == "sgd":
        draw_.maybe(spec, "momentum", 0.6, 0.9, 0.5)
        if spec.get("momentum"):
            draw_.maybe(spec, "nesterov", 0.4, True)
            if not spec.get("nesterov"):
                draw_.maybe(spec, "dampening", 0.4, 0.1, 0.5)
    if kind in ("adam", "adamw", "nadam", "adamax", "radam", "lion"):
        draw_.maybe(spec, "beta1", 0.3, 0.8, 0.95)
        draw_.maybe(spec, "beta2", 0.3, 0.99, 0.9)
    if kind in ("adam", "adamw"):
        draw_.maybe(spec, "amsgrad", 0.3, True)
    if kind == "nadam":
        draw_.maybe(spec, "momentum_decay", 0.3, 0.01)
    if kind in ("nadam", "radam"):
        draw_.maybe(spec, "decoupled_weight_decay", 0.3, True)
    if kind == "rmsprop":
        draw_.maybe(spec, "decay", 0.4, 0.9, 0.95)
        draw_.maybe(spec, "momentum", 0.4, 0.5, 0.9)
        draw_.maybe(spec, "centered", 0.4, True)
    if kind == "adagrad":
        draw_.maybe(spec, "lr_decay", 0.4, 0.1)
        draw_.maybe(spec, "initial_accumulator_value", 0.4, 0.1)
    if kind == "adadelta":
        draw_.maybe(spec, "rho", 0.4, 0.95, 0.8)
    if draw_.chance(0.3):
        epsilon = choose([1e-5, 1e-3])
        if kind not in ("sgd", "lion"):
            spec["epsilon"] = epsilon
    draw_.maybe(spec, "maximize", 0.1, True)
    return spec
