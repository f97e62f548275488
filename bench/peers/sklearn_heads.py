"""Cross-validated accuracy of scikit-learn's classifiers on given folds, features standardised by each fold's training
rows. Prints its version, then for each line on stdin the mean accuracy by name as JSON.

Arguments: file with features (float32), labels and folds (int32), rows, dim, epochs and seeds of the MLP.
"""
import json
import sys
import warnings

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")  # The MLP says that it did not converge: it is to run so many epochs.
name, rows, dim, epochs, seeds = sys.argv[1], *map(int, sys.argv[2:6])
features = np.fromfile(name + ".features", dtype=np.float32).reshape(rows, dim).astype(np.float64)
labels = np.fromfile(name + ".labels", dtype=np.int32)
folds = np.fromfile(name + ".folds", dtype=np.int32)


def mlp(seed):
    return MLPClassifier(
        (256,), alpha=1.0, batch_size=256, learning_rate_init=1e-3, max_iter=epochs, n_iter_no_change=epochs,
        random_state=seed,
    )


models = {
    "linear": [LogisticRegression(C=1.0, max_iter=10_000)],
    "prototype": [NearestCentroid()],
    "mlp": [mlp(seed) for seed in range(1, seeds + 1)],
    "5 nearest": [KNeighborsClassifier(5)],
}
print(f"scikit-learn {sklearn.__version__}", flush=True)
for _ in sys.stdin:
    means = {}
    for model, fits in models.items():
        scores = []
        for fold in range(folds.max() + 1):
            kept, held = folds != fold, folds == fold
            scaler = StandardScaler().fit(features[kept])
            x, asked = scaler.transform(features[kept]), scaler.transform(features[held])
            scores += [one.fit(x, labels[kept]).score(asked, labels[held]) for one in fits]
        means[model] = float(np.mean(scores))
    print(json.dumps(means), flush=True)
