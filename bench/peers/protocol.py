"""A peer's side of the conversation that peer.h describes, and the files of a match that match.h describes."""

import json
import os
import sys
import time
import traceback

import numpy as np


class Cannot(Exception):
    """The peer has no way to do this match's work."""


class Timer:
    """Processor time spent and time passed in a with-block."""

    def __enter__(self):
        self.start = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_):
        self.spent, self.passed = time.process_time() - self.start[0], time.perf_counter() - self.start[1]


class Match:
    """What ours trains: settings from case.txt, arrays as the engine sees them."""

    def __init__(self, folder):
        settings, shapes = {}, {}
        with open(os.path.join(folder, "case.txt")) as lines:
            for line in lines:
                key, *values = line.split()
                if key == "tensor":
                    shapes[values[0]] = [int(size) for size in values[1:]]
                else:
                    settings[key] = values
        self.hidden, self.output, self.loss, self.optimizer = (
            settings[key][0] for key in ("hidden", "output", "loss", "optimizer")
        )
        self.learning_rate = float(settings["learning_rate"][0])
        self.momentum = float(settings["momentum"][0])
        self.batch, self.rows, self.steps, self.classes = (
            int(settings[key][0]) for key in ("batch", "rows", "steps", "classes")
        )
        self.widths = [int(width) for width in settings["widths"]]
        self.x = np.fromfile(os.path.join(folder, "x.f32"), np.float32).reshape(self.rows, self.widths[0])
        self.y = np.fromfile(os.path.join(folder, "y.f32"), np.float32)
        self.order = np.fromfile(os.path.join(folder, "order.u32"), np.uint32).astype(np.int64).reshape(self.steps, self.batch)
        flat = np.fromfile(os.path.join(folder, "weights.f32"), np.float32)
        self.network, self.tokens = None, int(settings["tokens"][0])
        if shapes:  # a network of all kinds of layers, and its start weights by name
            with open(os.path.join(folder, "network.json")) as file:
                self.network = json.load(file)
            self.tensors = {}
            for name, shape in shapes.items():
                count = int(np.prod(shape))
                self.tensors[name], flat = flat[:count].reshape(shape), flat[count:]
            return
        self.layers = []  # (weight [out, in], bias [out])
        for fan_in, fan_out in zip(self.widths, self.widths[1:]):
            weight, flat = flat[: fan_in * fan_out].reshape(fan_out, fan_in), flat[fan_in * fan_out :]
            bias, flat = flat[:fan_out], flat[fan_out:]
            self.layers.append((weight, bias))


def serve(label, open_match):
    """Answers until the input ends. open_match(match) -> (setting, run), run() -> (Timer around all steps, loss after them)."""
    # Libraries may print what they like: the conversation keeps the real standard output to itself.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print("hello", label, file=answers)
    run = match = None
    for line in sys.stdin:
        word, value = line.split()
        try:
            if word == "open":
                run = None
                match = Match(value)
                setting, run = open_match(match)
                print("ready", setting, file=answers)
                continue
            spent = passed = runs = 0
            while runs == 0 or spent < float(value):
                timer, loss = run()
                spent, passed, runs = spent + timer.spent, passed + timer.passed, runs + 1
            print("done", spent / runs / match.steps, spent / passed, float(loss), file=answers)
        except Cannot as reason:
            print("cannot", reason, file=answers)
        except Exception as error:  # said to the referee, who names the peer as missing from this match
            traceback.print_exc()
            print("cannot", " ".join(f"{type(error).__name__}: {error}".split())[:160], file=answers)
