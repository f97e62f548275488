"""One fit of scikit-learn's logistic regression for each line on stdin; prints seconds by the clock, of processor time,
and the objective in float64.

Arguments: safetensors file with standardised features (float32) and labels, l2.
"""
import sys
import time

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression

name, l2 = sys.argv[1], float(sys.argv[2])
rows, dim = (int(value) for value in sys.argv[3:5])
features = np.fromfile(name + ".features", dtype=np.float32).reshape(rows, dim)
labels = np.fromfile(name + ".labels", dtype=np.int32)
exact = features.astype(np.float64)
print(f"scikit-learn {sklearn.__version__}", flush=True)


def objective(model):
    scores = exact @ model.coef_.T.astype(np.float64) + model.intercept_
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    scores -= scores.max(1, keepdims=True)
    losses = np.log(np.exp(scores).sum(1)) - scores[np.arange(rows), labels]
    return losses.sum() + l2 / 2 * (model.coef_.astype(np.float64) ** 2).sum()


for _ in sys.stdin:
    started, cpu = time.perf_counter(), time.process_time()
    model = LogisticRegression(C=1 / l2, tol=float(sys.argv[5]), max_iter=10_000).fit(exact, labels)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(wall, cpu, objective(model), int(model.n_iter_[0]), flush=True)
