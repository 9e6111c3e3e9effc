"""The work of bench/fashion.c as a scikit-learn program: the .gz files to a saved model. Usage: fashion_sklearn.py FOLDER SEED OUT

MLPClassifier has no schedule of one cycle: it takes Adam at a constant rate and twice the epochs. Prints the test accuracy.
"""
import gzip
import pickle
import sys
import warnings

import numpy
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

EPOCHS, BATCH, RATE = 6, 64, 0.001


def read(folder, prefix):
    with gzip.open(f"{folder}/{prefix}-images-idx3-ubyte.gz") as file:
        images = numpy.frombuffer(file.read(), numpy.uint8, offset=16).reshape(-1, 784)
    with gzip.open(f"{folder}/{prefix}-labels-idx1-ubyte.gz") as file:
        labels = numpy.frombuffer(file.read(), numpy.uint8, offset=8)
    return images.astype(numpy.float32), labels


folder, seed, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
warnings.filterwarnings("ignore", category=ConvergenceWarning)
x, y = read(folder, "train")
mean, std = x.mean(), x.std()
network = MLPClassifier((128,), batch_size=BATCH, max_iter=EPOCHS, learning_rate_init=RATE, random_state=seed)
network.fit((x - mean) / std, y)
test_x, test_y = read(folder, "t10k")
accuracy = network.score((test_x - mean) / std, test_y)
with open(out, "wb") as file:
    pickle.dump((network, mean, std), file)
print(accuracy)
