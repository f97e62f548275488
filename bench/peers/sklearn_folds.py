"""Cross-validated accuracy of scikit-learn's logistic regression on given folds, features standardised by each fold's
training rows. Prints its version, then for each line on stdin the mean accuracy by L2 as JSON.

Arguments: file with features (float32), labels and folds (int32), rows, dim, L2 penalties with commas between.
"""
import json
import sys

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

name, rows, dim = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
features = np.fromfile(name + ".features", dtype=np.float32).reshape(rows, dim).astype(np.float64)
labels = np.fromfile(name + ".labels", dtype=np.int32)
folds = np.fromfile(name + ".folds", dtype=np.int32)
print(f"scikit-learn {sklearn.__version__}", flush=True)
for _ in sys.stdin:
    means = {}
    for l2 in sys.argv[4].split(","):
        scores = []
        for fold in range(folds.max() + 1):
            kept, held = folds != fold, folds == fold
            model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / float(l2), max_iter=10_000))
            scores.append(model.fit(features[kept], labels[kept]).score(features[held], labels[held]))
        means[l2] = float(np.mean(scores))
    print(json.dumps(means), flush=True)
