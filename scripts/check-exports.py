#!/usr/bin/env python3
"""Reads what `graft cache` wrote with the tools it is written for, and compares all values with each other.

The store itself is read with `safetensors`, as docs/cache.md shows; each photo's row in it is found by the sha256 of the
photo's bytes, computed here. NumPy, pyarrow, pandas and Hugging Face `datasets` must then find the same numbers, labels
and paths in the exports.

    python scripts/check-exports.py BACKBONE DATA [more graft flags]    (numpy pandas pyarrow datasets safetensors)
"""
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def graft(*arguments):
    command = ["node", str(ROOT / "dist/cli/index.js"), *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def read_store(folder):
    """All rows of a store: sha256 of the photo -> features."""
    from safetensors import safe_open

    rows = {}
    for shard in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(shard, framework="numpy") as tensors:
            features, keys = tensors.get_tensor("features"), tensors.get_tensor("keys")
            checksum = hashlib.sha256(features.tobytes() + keys.tobytes()).hexdigest()
            assert tensors.metadata()["checksum"] == checksum, f"{shard}: checksum"
        rows.update((bytes(key).hex(), row) for key, row in zip(keys, features))
    return rows


def check(name, rows, expected):
    """rows: (path, label, split, sha256, features)"""
    rows = list(rows)
    assert len(rows) == len(expected), f"{name}: {len(rows)} rows, not {len(expected)}"
    for path, label, split, sha256, features in rows:
        wanted = expected[path]
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == sha256, f"{name}: sha256 of {path}"
        assert (label, split or "", sha256) == wanted[:3], f"{name}: {path}: {label} {split} {sha256}, not {wanted[:3]}"
        assert np.asarray(features, np.float32).tobytes() == wanted[3].tobytes(), f"{name}: features of {path}"
    print(f"{name}: {len(rows)} rows, every path, label, part, sha256 and number as in the store")


def main(backbone, data, *more):
    import datasets
    import pandas
    import pyarrow.parquet
    from safetensors.numpy import load_file

    datasets.disable_progress_bars()
    source = ["--backbone", backbone, "--data", data, *more]
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["GRAFT_CACHE"] = f"{scratch}/cache"
        os.environ["HF_HOME"] = f"{scratch}/hf"
        report = graft("cache", *source)
        store = read_store(report["store"])
        distinct = report["computed"]
        assert len(store) == distinct, f"the store has {len(store)} rows, graft reports {distinct}"
        skipped = len(report["skipped"])
        print(f"safetensors: {len(store)} rows of {report['dim']}, checksums right; {skipped} photos skipped")

        def export(form, out):
            written = graft("cache", "export", *source, "--format", form, "--out", f"{scratch}/{out}")
            assert written["rows"] == report["examples"] - skipped, written
            return f"{scratch}/{out}"

        npy = export("npy", "npy")
        matrix = np.load(f"{npy}/features.npy", mmap_mode="r")
        assert matrix.dtype == np.float32 and matrix.shape[1] == report["dim"], (matrix.dtype, matrix.shape)
        with open(f"{npy}/examples.csv", newline="") as lines:
            listed = list(csv.DictReader(lines))
        # The reference: features from the store, by the photo's own bytes; label and part from the list.
        expected = {}
        for line in listed:
            sha256 = hashlib.sha256(Path(line["path"]).read_bytes()).hexdigest()
            expected[line["path"]] = (line["label"], line["split"], sha256, store[sha256])
        check(
            "numpy + csv",
            ((x["path"], x["label"], x["split"], x["sha256"], matrix[int(x["row"])]) for x in listed),
            expected,
        )

        parquet = export("parquet", "features.parquet")
        table = pyarrow.parquet.read_table(parquet).to_pylist()
        rows = [(x["path"], x["label_name"], x["split"], x["sha256"], x["embedding"]) for x in table]
        check("pyarrow", rows, expected)
        frame = pandas.read_parquet(parquet)
        columns = ["path", "label_name", "split", "sha256", "embedding"]
        check("pandas", frame[columns].itertuples(index=False, name=None), expected)

        folder = export("huggingface", "hf")
        loaded = datasets.load_dataset(folder)
        parts = [row for part in loaded.values() for row in part]
        names = next(iter(loaded.values())).features["label"].names
        assert all(names[row["label"]] == row["label_name"] for row in parts)
        rows = [(x["path"], x["label_name"], x["split"], x["sha256"], x["embedding"]) for x in parts]
        check(f"datasets ({', '.join(f'{k} {len(v)}' for k, v in loaded.items())})", rows, expected)

        file = load_file(export("safetensors", "features.safetensors"))
        classes = sorted(names)
        assert [names[i] for i in file["labels"]] == [line["label"] for line in listed], "labels of safetensors"
        assert file["features"].tobytes() == np.ascontiguousarray(matrix).tobytes(), "features of safetensors"
        print(f"safetensors export: {len(file['labels'])} rows, {len(classes)} classes, as in the store")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
