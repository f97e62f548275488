"""Sweep: gradients that `graft gradient` writes, run by plain onnxruntime, beside those of PyTorch.

    npm run build
    python scripts/gradient-sweep/sweep.py [--only NAME,…] [--styles STYLE,…] [--keep FOLDER]

Every network is exported in every style with its loss inside the file (a cross-entropy where the operator set has one,
else a weighted sum), `graft gradient --wrt all` adds the gradients, and onnxruntime's Python package runs the result
on the inputs that PyTorch saw. An initializer is matched with the parameters by its values, element by element, as
exporters transpose, split, join and copy weights; what several copies receive is summed. Fused weights match nothing.

Prints a line for each file: elements matched of all, and the worst ‖ours − theirs‖ / ‖theirs‖ of a parameter. Not part of
the test suite: it needs torch, torchvision, onnx, onnxscript and onnxruntime, and takes minutes.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import torch.fx.experimental.optimization
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

from networks import NETWORKS, committed

warnings.filterwarnings("ignore")
onnxruntime.set_default_logger_severity(3)
root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
EVAL, PRESERVE = torch.onnx.TrainingMode.EVAL, torch.onnx.TrainingMode.PRESERVE

# name: (opset, folded and fused, batch free); None: the dynamo exporter
STYLES = {
    "9-plain": (9, False, False),
    "11-fused": (11, True, True),
    "13-plain": (13, False, True),
    "14-fused": (14, True, False),
    "16-plain": (16, False, True),
    "17-plain": (17, False, False),
    "18-fused": (18, True, True),
    "20-plain": (20, False, True),
    "dynamo-18": None,
    "dynamo-23": None,
    # The file of another style after ONNX Runtime's own fusions, and after those of its transformer tool.
    "ort-extended": "17-plain",
    "ort-bert": "17-plain",
}


# Folding makes constants of what these compute from their parameters.
COMPUTED_WEIGHTS = {"standardized", "state-space", "weighted-sums"}


class OtherFunction(Exception):
    """An operator set that cannot say what the network does."""


class WithLoss(nn.Module):
    """The module with a scalar loss beside its output."""

    def __init__(self, module, classes, first):
        super().__init__()
        self.module, self.classes, self.first = module, classes, first

    def forward(self, *inputs):
        *inputs, target = inputs
        output = self.module(*inputs)
        if not self.classes:
            return output, (output * target).sum()
        scores = output.flatten(0, -2) if output.dim() != 2 else output
        return output, F.cross_entropy(scores, target)


def export(module, inputs, path, style):
    names = list(inputs)
    outputs = ["output", "loss"]
    values = tuple(inputs.values())
    if STYLES[style] is None:
        batch = torch.export.Dim("batch", min=2)
        rows = next(iter(inputs.values())).shape[0]
        free = tuple({0: batch} if value.shape[0] == rows else None for value in values)
        torch.onnx.export(
            module, values, path, input_names=names, output_names=outputs, dynamo=True, external_data=False,
            opset_version=int(style.split("-")[1]), dynamic_shapes={"inputs": free}, verbose=False,
        )
        return
    opset, fused, free = STYLES[style]
    axes = {name: {0: "batch"} for name in names} if free else None
    torch.onnx.export(
        module, values, path, input_names=names, output_names=outputs, opset_version=opset, dynamo=False,
        training=EVAL if fused else PRESERVE, do_constant_folding=fused, dynamic_axes=axes,
    )


def optimize(path, style, target):
    if style == "ort-bert":
        from onnxruntime.transformers import optimizer

        optimizer.optimize_model(path, model_type="bert", num_heads=3, hidden_size=12, opt_level=0).save_model_to_file(target)
        return
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = target
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Elements:
    """Finds the elements of parameters by their values."""

    def __init__(self, parameters):
        self.flat = [value.detach().numpy().ravel() for value in parameters]
        self.starts = np.cumsum([0] + [len(values) for values in self.flat])
        everything = np.concatenate(self.flat)
        order = np.argsort(everything, kind="stable")
        self.sorted, self.order = everything[order], order
        self.by_shape = {}
        for i, value in enumerate(parameters):
            self.by_shape.setdefault(tuple(value.shape), []).append(i)

    def places(self, array):
        """Index into all parameters of each element; None where one is not found or not the only one of its value."""
        for i in self.by_shape.get(array.shape, []):
            if np.array_equal(self.flat[i], array.ravel()):
                return self.starts[i] + np.arange(array.size)
        if array.ndim == 2:
            for i in self.by_shape.get(array.shape[::-1], []):
                if np.array_equal(self.flat[i], array.T.ravel()):
                    return (self.starts[i] + np.arange(array.size)).reshape(array.T.shape).T.ravel()
        left = np.searchsorted(self.sorted, array.ravel(), "left")
        right = np.searchsorted(self.sorted, array.ravel(), "right")
        if array.size == 0 or np.any(right - left != 1):
            return None
        return self.order[left]


def compare(name, style, folder):
    build, draw = NETWORKS[name]
    torch.manual_seed(7)
    module = build().eval()
    committed.randomize(module)
    if style.endswith("fused"):
        try:
            # The exporter joins batch norm to convolutions: done before, the weights are PyTorch's parameters too.
            module = torch.fx.experimental.optimization.fuse(module)
        except Exception:
            pass
    inputs = draw()
    opset = int(re.search(r"\d+", STYLES[style] if isinstance(STYLES[style], str) else style).group())
    output = module(*inputs.values())
    classes = opset >= 12 and output.dim() != 4
    rows = output.numel() // output.shape[-1]
    inputs["target"] = torch.randint(0, output.shape[-1], (rows,)) if classes else torch.randn_like(output)
    whole = WithLoss(module, classes, next(iter(inputs))).eval()
    path = os.path.join(folder, f"{name}-{style}.onnx")
    if isinstance(STYLES[style], str):
        plain = os.path.join(folder, f"{name}-{style}-plain.onnx")
        export(whole, inputs, plain, STYLES[style])
        optimize(plain, style, path)
        os.remove(plain)
    else:
        export(whole, inputs, path, style)
    whole.eval()
    seen = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    own = {value.name for value in seen.get_inputs()}
    exported = seen.run(["output"], {key: value.detach().numpy() for key, value in inputs.items() if key in own})[0]
    if not np.allclose(exported, output.detach().numpy(), rtol=1e-3, atol=1e-3):
        raise OtherFunction("the exported file computes something else than the network")
    parameters = [value for value in module.parameters() if value.requires_grad]
    module.zero_grad()
    loss = whole(*inputs.values())[1]
    loss.backward()
    parameters = [value for value in parameters if value.grad is not None]

    target = path.replace(".onnx", "-gradients.onnx")
    shapes = " ".join(f"{key}={','.join(map(str, value.shape))}" for key, value in inputs.items())
    command = ["node", os.environ.get("GRAFT", os.path.join(root, "dist/cli/index.js")), "gradient", path, "--loss", "loss", "--out", target]
    began = time.time()
    done = subprocess.run([*command, "--input-shape", shapes, "--json"], capture_output=True, text=True)
    seconds = time.time() - began
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or done.stdout.strip())
    report = json.loads(done.stdout)
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    feeds = {key: value.detach().numpy() for key, value in inputs.items() if key in wanted}
    outputs = [row["output"] for row in report["gradients"]]
    ours_loss, *ours = session.run(["loss", *outputs], feeds)
    initializers = {value.name: value for value in onnx.load(target).graph.initializer}
    elements = Elements(parameters)
    found = np.zeros(elements.starts[-1])
    covered = np.zeros(elements.starts[-1], bool)
    for row, gradient in zip(report["gradients"], ours):
        if row["name"] not in initializers:
            continue
        places = elements.places(numpy_helper.to_array(initializers[row["name"]]))
        if places is None:
            continue
        np.add.at(found, places, gradient.ravel().astype(np.float64))
        covered[places] = True
    theirs = np.concatenate([value.grad.numpy().ravel() for value in parameters]).astype(np.float64)
    norms = []
    for i in range(len(parameters)):
        part = slice(elements.starts[i], elements.starts[i + 1])
        norms.append(np.linalg.norm(theirs[part]))
    worst, where = 0.0, ""
    names = {id(value): key for key, value in module.named_parameters()}
    for i, parameter in enumerate(parameters):
        part = slice(elements.starts[i], elements.starts[i + 1])
        mask = covered[part]
        if not mask.any():
            continue
        difference = np.linalg.norm((found[part] - theirs[part])[mask])
        # A gradient that vanishes for mathematical reasons is the rounding of the others.
        error = difference / max(np.linalg.norm(theirs[part][mask]), 1e-3 * max(norms))
        if not error <= worst:
            worst, where = error, names[id(parameter)]
    loss_error = abs(float(ours_loss) - float(loss)) / max(1, abs(float(loss)))
    if not loss_error <= worst:
        worst, where = loss_error, "loss"
    return {
        "matched": int(covered.sum()), "elements": int(elements.starts[-1]), "error": float(worst), "at": where,
        "seconds": round(seconds, 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    parser.add_argument("--styles")
    parser.add_argument("--keep")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    flags = parser.parse_args()
    folder = flags.keep or tempfile.mkdtemp(prefix="gradient-sweep-")
    os.makedirs(folder, exist_ok=True)
    names = flags.only.split(",") if flags.only else list(NETWORKS)
    styles = flags.styles.split(",") if flags.styles else list(STYLES)
    good, bad, none = 0, [], []
    for name in names:
        for style in styles:
            title = f"{name} {style}"
            if name in COMPUTED_WEIGHTS and ("fused" in style or "dynamo" in style):
                continue
            try:
                row = compare(name, style, folder)
            except Exception as error:
                text = str(error).strip()
                # What the exporter itself refuses is no matter of ours.
                (bad if isinstance(error, RuntimeError) and "graft" in text else none).append(title)
                print(f"{title}: {type(error).__name__}: {text[:600]}", flush=True)
                continue
            if not row["error"] <= flags.tolerance:
                bad.append(title)
            else:
                good += 1
            print(
                f"{title}: {row['matched']}/{row['elements']} matched, worst {row['error']:.1e} at {row['at']}, "
                f"{row['seconds']} s", flush=True,
            )
            if not flags.keep:
                for file in os.listdir(folder):
                    os.remove(os.path.join(folder, file))
    print(f"{good} agree within {flags.tolerance}, {len(bad)} do not {bad}, {len(none)} not exported {none}")
    sys.exit(1 if bad else 0)
