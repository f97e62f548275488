"""One AdamW epoch in PyTorch on the CPU for each line on stdin; prints its seconds by the clock
and of processor time.

Arguments: rows dim classes batch [hidden]. What a user would write: tensors in memory, a shuffled index, autograd.
"""
import os
import sys
import time

import torch

rows, dim, classes, batch = (int(value) for value in sys.argv[1:5])
hidden = int(sys.argv[5]) if len(sys.argv) > 5 else 0
# Some builds take the cores of a virtual machine for threads of one core, and use one.
torch.set_num_threads(len(os.sched_getaffinity(0)))
torch.manual_seed(1)
features = torch.rand(rows, dim) - 0.5
labels = torch.randint(classes, (rows,))
model = (
    torch.nn.Sequential(torch.nn.Linear(dim, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes))
    if hidden
    else torch.nn.Linear(dim, classes)
)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
loss_of = torch.nn.CrossEntropyLoss()
print(f"{torch.__version__} on {torch.get_num_threads()} threads", flush=True)
for _ in sys.stdin:
    started, cpu = time.perf_counter(), time.process_time()
    order = torch.randperm(rows)
    for start in range(0, rows, batch):
        index = order[start : start + batch]
        optimizer.zero_grad()
        loss_of(model(features[index]), labels[index]).backward()
        optimizer.step()
    print(time.perf_counter() - started, time.process_time() - cpu, flush=True)
