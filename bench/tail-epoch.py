"""The tails of tail-epoch.ts in PyTorch. Reads one JSON document with the tail and its weights' file from standard
input; then, for each line that follows, trains one epoch and prints its seconds and the sum of its losses."""

import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return self.body(x) + (self.shortcut(x) if len(self.shortcut) else x)


class Shuffle(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        left, right = x.chunk(2, 1)
        joined = torch.cat([left, self.body(right)], 1)
        n, channels, height, width = joined.shape
        return joined.view(n, 2, channels // 2, height, width).transpose(1, 2).reshape(joined.shape)


def build(layers):
    made = []
    for layer in layers:
        kind = layer["kind"]
        if kind == "conv":
            kernel = layer["kernel"]
            made.append(
                nn.Conv2d(layer["in"], layer["out"], kernel, layer["stride"], kernel // 2, groups=layer["groups"], bias=layer.get("bias", False))
            )
        elif kind == "batchNorm":
            made.append(nn.BatchNorm2d(layer["channels"]))
        elif kind == "relu":
            made.append(nn.ReLU())
        elif kind == "relu6":
            made.append(nn.ReLU6())
        elif kind == "leakyRelu":
            made.append(nn.LeakyReLU(0.1))
        elif kind == "shuffle":
            made.append(Shuffle(build(layer["body"])))
        elif kind == "residual":
            made.append(Residual(build(layer["body"]), build(layer["shortcut"])))
        elif kind == "pool":
            made += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        elif kind == "linear":
            made.append(nn.Linear(layer["in"], layer["out"]))
    return nn.Sequential(*made)


setup = json.loads(sys.stdin.readline())
torch.set_num_threads(setup["threads"])
model = build(setup["layers"]).eval()  # frozen statistics
flat = np.fromfile(setup["weights"], np.float32)
offset = 0
with torch.no_grad():
    for parameter in model.parameters():
        size = parameter.numel()
        parameter.copy_(torch.from_numpy(flat[offset : offset + size].reshape(parameter.shape).copy()))
        offset += size
    batches, batch = setup["batches"], setup["batch"]
    size = int(np.prod(setup["input"])) * batch
    images, labels = [], []
    for _ in range(batches):
        images.append(torch.from_numpy(flat[offset : offset + size].reshape(batch, *setup["input"]).copy()))
        offset += size
    for _ in range(batches):
        labels.append(torch.from_numpy(flat[offset : offset + batch].astype(np.int64)))
        offset += batch
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0)
print(json.dumps({"version": torch.__version__}), flush=True)
for _ in sys.stdin:
    started, cpu = time.perf_counter(), time.process_time()
    total = 0.0
    for x, y in zip(images, labels):
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(json.dumps({"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu, "loss": total}), flush=True)
