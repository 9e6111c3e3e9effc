"""scikit-learn's side of a match: MLPClassifier, from given weights and with given order of rows.

Its own shuffling is off and the rows of all steps stand in their order, so that gathering them costs it nothing; checks of the input are not
timed. Its Adam adds epsilon before the bias correction, ours and PyTorch's after it: losses differ in a late digit.
"""

import warnings

import numpy as np
import sklearn
import threadpoolctl
from sklearn.neural_network import MLPClassifier

import protocol

warnings.filterwarnings("ignore")


class Classifier(MLPClassifier):
    """Starts from the match's weights; keeps two softmax outputs for two classes; knows how long the steps alone took."""

    def _init_coef(self, fan_in, fan_out, dtype):
        weight, bias = self.start[len(self.coefs_)]
        return np.array(weight.T, order="C"), bias.copy()

    def _validate_input(self, *args, **options):
        x, y = super()._validate_input(*args, **options)
        return x, np.hstack([~y, y]) if self.has_two_outputs else y

    def _initialize(self, *args):
        super()._initialize(*args)
        if self.has_two_outputs:
            self.out_activation_ = "softmax"

    def _fit_stochastic(self, *args):
        with protocol.Timer() as self.timer:
            super()._fit_stochastic(*args)


def open_match(match):
    if match.network:
        raise protocol.Cannot("MLPClassifier has dense layers only")
    if match.loss == "squared_error":
        raise protocol.Cannot("MLPClassifier has no squared error")
    x, y = match.x[match.order.ravel()], match.y[match.order.ravel()].astype(int)
    # alpha=0 still adds its zeros; there is no switch for that.
    classifier = Classifier(
        hidden_layer_sizes=match.widths[1:-1],
        activation={"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}[match.hidden],
        solver=match.optimizer,
        alpha=0,
        batch_size=match.batch,
        learning_rate_init=match.learning_rate,
        max_iter=1,
        shuffle=False,
        momentum=match.momentum,
        nesterovs_momentum=False,
    )
    classifier.start = match.layers
    classifier.has_two_outputs = match.widths[-1] == 2

    def run():
        classifier.fit(x, y)
        a = classifier._forward_pass_fast(match.x, check_input=False).astype(np.float64)
        if match.widths[-1] == 1:
            a = np.hstack([1 - a, a])
        return classifier.timer, -np.log(np.maximum(a[np.arange(match.rows), match.y.astype(int)], 1e-12)).mean()

    return {"sgd": "SGD", "adam": "Adam"}[match.optimizer], run


threadpoolctl.threadpool_limits(1)
blas = next((pool for pool in threadpoolctl.threadpool_info() if "numpy" in pool["filepath"]), {})
protocol.serve(
    f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, {blas.get('internal_api')} {blas.get('version')} {blas.get('architecture')}, "
    f"{blas.get('num_threads')} thread",
    open_match,
)
