"""Round-trips the models of onnx's own backend tests through Graft, with onnx and ONNX Runtime as referees.

    pip install onnx onnxruntime        (the newest)
    python scripts/check-onnx-backend-tests.py [--keep FOLDER]

Every model that the package holds or can generate is read and written by build/scripts/round-trip-models.js. What was
written must equal the original field by field (absent and default are one, typed tensor data count as raw), and give
identical outputs wherever ONNX Runtime accepts the original. The data is not part of this repository.
"""
import argparse
import pathlib
import pickle
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.backend.test.case.model import collect_testcases as model_cases
from onnx.backend.test.case.node import collect_testcases as node_cases

TYPED = {1: "<f4", 14: "<f4", 11: "<f8", 15: "<f8", 7: "<i8", 13: "<u8", 12: "<u4", 6: "<i4", 3: "<i1", 5: "<i2",
         4: "<u2", 10: "<u2", 16: "<u2"}
FIELDS = {1: "float_data", 14: "float_data", 11: "double_data", 15: "double_data", 7: "int64_data", 13: "uint64_data",
          12: "uint64_data"}
ATTRIBUTE_FIELDS = ["f", "i", "s", "t", "g", "floats", "ints", "strings", "tensors", "graphs"]


def raw_of(tensor):
    values = list(getattr(tensor, FIELDS.get(tensor.data_type, "int32_data")))
    if tensor.data_type in (27, 28):
        return numpy_helper._pack_6bit(np.array(values, np.uint8)).tobytes()
    held = {"float_data": np.float32, "double_data": np.float64, "uint64_data": np.uint64}
    array = np.array(values, held.get(FIELDS.get(tensor.data_type), np.int64))
    return array.astype(TYPED.get(tensor.data_type, "<u1")).tobytes()


def normalise(message):
    """Brings what the format says is the same to one form."""
    if isinstance(message, onnx.TensorProto) and message.data_type != onnx.TensorProto.STRING:
        raw = message.raw_data or raw_of(message)
        for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
            message.ClearField(field)
        if raw:
            message.raw_data = raw
    is_attribute = isinstance(message, onnx.AttributeProto)
    if is_attribute and not message.type:
        present = {field.name for field, _ in message.ListFields()}
        message.type = next((i + 1 for i, name in enumerate(ATTRIBUTE_FIELDS) if name in present), 0)
    if getattr(message, "domain", "") == "ai.onnx":
        message.ClearField("domain")
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type:
            for child in value if field.is_repeated else [value] if message.HasField(field.name) else []:
                normalise(child)
        elif not field.is_repeated and field.containing_oneof is None and value == field.default_value:
            # The value of an attribute counts also where it is 0.
            if not is_attribute or field.name not in ATTRIBUTE_FIELDS:
                message.ClearField(field.name)
    return message


def difference(a, b, where="model"):
    for field in a.DESCRIPTOR.fields:
        x, y = getattr(a, field.name), getattr(b, field.name)
        here = f"{where}.{field.name}"
        if field.is_repeated:
            if len(x) != len(y):
                return f"{here}: {len(x)} and {len(y)} entries"
            for i, (c, d) in enumerate(zip(x, y)):
                if c != d:
                    return difference(c, d, f"{here}[{i}]") if field.message_type else f"{here}[{i}]: {c!r} and {d!r}"
        elif a.HasField(field.name) != b.HasField(field.name):
            return f"{here}: present in one only"
        elif x != y:
            return difference(x, y, here) if field.message_type else f"{here}: {str(x)[:60]!r} and {str(y)[:60]!r}"
    return f"{where}: unknown fields"


def run(path, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: value for name, value in feeds.items() if name in {i.name for i in session.get_inputs()}})


def identical(a, b):
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(identical(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray):
        # NaN is NaN; an operator may differ from itself only where it draws random numbers.
        return a.dtype == b.dtype and a.shape == b.shape and (a.tobytes() == b.tobytes() or np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
    return a == b


def read_pb(path, value):
    if value.type.WhichOneof("value") == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(path.read_bytes()))
    if value.type.WhichOneof("value") == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(path.read_bytes()))
    return numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))


def collect(folder):
    """Writes every model to FOLDER; returns their names with the inputs of a test."""
    cases = []
    for case in [*node_cases(), *model_cases()]:
        if case.model is None:
            continue
        file = folder / "generated" / f"{case.name}.onnx"
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_bytes(case.model.SerializeToString())
        inputs = case.data_sets[0][0] if case.data_sets else []
        feeds = {}
        for value, data in zip(case.model.graph.input, inputs):
            feeds[value.name] = numpy_helper.to_array(data) if isinstance(data, onnx.TensorProto) else data
        cases.append((f"generated/{case.name}.onnx", feeds))
    data = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data"
    for source in sorted(data.rglob("*.onnx")):
        name = f"packaged/{source.relative_to(data)}"
        file = folder / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_bytes(source.read_bytes())
        model = onnx.load_from_string(source.read_bytes())
        initialized = {tensor.name for tensor in model.graph.initializer}
        feeds = {}
        sets = source.parent / "test_data_set_0"
        for i, value in enumerate(v for v in model.graph.input if v.name not in initialized):
            if (sets / f"input_{i}.pb").exists():
                feeds[value.name] = read_pb(sets / f"input_{i}.pb", value)
            else:
                shape = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
                feeds[value.name] = np.random.default_rng(1).random(shape, np.float32)
        cases.append((name, feeds))
    return cases


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    folder = options.keep or pathlib.Path(tempfile.mkdtemp())
    cases = collect(folder / "from")
    script = pathlib.Path(__file__).parent.parent / "build" / "scripts" / "round-trip-models.js"
    trip = subprocess.run(["node", script, folder / "from", folder / "to"], stdout=subprocess.PIPE, text=True)
    print(trip.stdout, end="")
    equal, accepted, same, differing, problems = 0, 0, 0, [], []
    for name, feeds in cases:
        before, after = folder / "from" / name, folder / "to" / name
        if not after.exists():
            continue
        a, b = normalise(onnx.load(before)), normalise(onnx.load(after))
        if a == b:
            equal += 1
        else:
            problems.append(f"{name}: {difference(a, b)}")
        try:
            expected = run(before, feeds)
        except Exception:
            continue
        accepted += 1
        try:
            if identical(run(after, feeds), expected):
                same += 1
            elif identical(run(before, feeds), expected):
                differing.append(name)
            else:
                accepted -= 1
                print(f"{name}: gives other outputs each time it is run")
        except Exception as error:
            differing.append(f"{name}: {str(error)[:200]}")
    for line in [*problems, *differing]:
        print(line)
    print(f"onnx {onnx.__version__}: {equal} of {len(cases)} models are equal field by field")
    print(f"onnxruntime {onnxruntime.__version__}: {same} of the {accepted} models it accepts give identical outputs")
    sys.exit(0 if equal == len(cases) and same == accepted and trip.returncode == 0 else 1)


if __name__ == "__main__":
    main()
