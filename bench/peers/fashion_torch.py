"""The work of bench/fashion.c as a PyTorch program: the .gz files to a saved model. Usage: fashion_torch.py FOLDER SEED OUT

The same network, start weights' distribution, optimizer, schedule, batches and epochs. Prints the test accuracy.
"""
import gzip
import sys

import numpy
import torch

EPOCHS, BATCH, RATE = 3, 64, 0.003


def read(folder, prefix):
    with gzip.open(f"{folder}/{prefix}-images-idx3-ubyte.gz") as file:
        images = numpy.frombuffer(file.read(), numpy.uint8, offset=16).reshape(-1, 784)
    with gzip.open(f"{folder}/{prefix}-labels-idx1-ubyte.gz") as file:
        labels = numpy.frombuffer(file.read(), numpy.uint8, offset=8)
    return torch.from_numpy(images.astype(numpy.float32)), torch.from_numpy(labels.astype(numpy.int64))


folder, seed, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
torch.manual_seed(seed)
x, y = read(folder, "train")
mean, std = x.mean(), x.std()
x = (x - mean) / std
network = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
for layer in (network[0], network[2]):
    torch.nn.init.xavier_uniform_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
steps = EPOCHS * ((len(x) + BATCH - 1) // BATCH)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
cost = torch.nn.CrossEntropyLoss()
for _ in range(EPOCHS):
    for rows in torch.randperm(len(x)).split(BATCH):
        optimizer.zero_grad()
        cost(network(x[rows]), y[rows]).backward()
        optimizer.step()
        schedule.step()
test_x, test_y = read(folder, "t10k")
with torch.no_grad():
    accuracy = (network((test_x - mean) / std).argmax(1) == test_y).float().mean().item()
torch.save({"network": network.state_dict(), "mean": mean, "std": std}, out)
print(accuracy)
