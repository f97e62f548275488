"""Features of photos as a Python user would extract them: Pillow, numpy and onnxruntime.

Arguments: model.onnx, preprocess.json, file with a path a line, output file (float32 rows), way, batch.
  loop      one photo after the other is decoded, a batch goes into a session with all cores: the ordinary script
  prefetch  the same, but a thread pool decodes ahead
  sessions  a thread a core, each decodes and runs photos on its own, sessions of one thread: what an expert tunes it to
Prints one JSON line: versions, and the seconds from the first photo to the last row, without imports and the session.
"""
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import PIL
from PIL import Image, ImageOps

model, preprocess, photos, output, way, batch = sys.argv[1:7]
batch = int(batch)
with open(preprocess) as file:
    spec = json.load(file)
with open(photos) as file:
    paths = file.read().splitlines()
size = spec["resize"]["width"], spec["resize"]["height"]
mean, std = (np.array(spec[key], dtype=np.float32) for key in ("mean", "std"))


def load(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB").resize(size, Image.BILINEAR)
    pixels = np.asarray(image, dtype=np.float32)
    if spec["channelOrder"] == "bgr":
        pixels = pixels[:, :, ::-1]
    return ((pixels - mean) / std).transpose(2, 0, 1)


def open_session(threads=0):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


cores = len(os.sched_getaffinity(0))
session = open_session(1 if way == "sessions" else 0)
name = session.get_inputs()[0].name


def run(images):
    return session.run(None, {name: np.stack(images)})[0]


started = time.perf_counter()
if way == "loop":
    rows = [run([load(path) for path in paths[at : at + batch]]) for at in range(0, len(paths), batch)]
elif way == "prefetch":
    with ThreadPoolExecutor(cores) as pool:
        rows, ahead = [], [pool.submit(load, path) for path in paths[: 4 * batch]]
        for at in range(0, len(paths), batch):
            images = [future.result() for future in ahead[:batch]]
            following = paths[at + 4 * batch : at + 5 * batch]
            ahead = ahead[batch:] + [pool.submit(load, path) for path in following]
            rows.append(run(images))
else:
    parts = [paths[at : at + batch] for at in range(0, len(paths), batch)]
    with ThreadPoolExecutor(cores) as pool:
        rows = list(pool.map(lambda part: run([load(path) for path in part]), parts))
features = np.concatenate(rows)
seconds = time.perf_counter() - started
features.tofile(output)
versions = f"Python {sys.version.split()[0]}, Pillow {PIL.__version__}, onnxruntime {onnxruntime.__version__}"
print(json.dumps({"versions": versions, "seconds": seconds, "rows": len(features)}))
