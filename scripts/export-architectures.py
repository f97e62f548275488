"""Exports known architectures with random weights in the styles that exporters and optimisers leave behind.

    pip install torch torchvision onnx onnxruntime onnxscript        (transformers, timm, onnxconverter-common: optional)
    python scripts/export-architectures.py OUT [--only TEXT] [--quick]

Each network is written as OUT/NAME/STYLE.onnx. Styles: the TorchScript exporter and the newer one ("dynamo"), each with
the batch fixed to 1 ("fixed") and free; operator set 9 or 11 and 17; BatchNormalization kept; and of those made here:
float16, int8 (dynamic, and QDQ and QOperator with random calibration), graphs that ONNX Runtime has optimised (fused
operators of com.microsoft), initializers as inputs (IR version 3), external data, uint8 NHWC input with the
preprocessing inside. What cannot be exported is named and left out. `scripts/try-models.ts OUT` tries them.
"""

import argparse
import contextlib
import io
import logging
import pathlib
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision
from onnx import TensorProto, helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static
from torch import nn

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
onnxruntime.set_default_logger_severity(4)


class Recurrent(nn.Module):
    """Embedding, LSTM or GRU in both directions, the last state, a classifier."""

    def __init__(self, kind):
        super().__init__()
        self.embedding = nn.Embedding(100, 24)
        self.layer = getattr(nn, kind)(24, 32, num_layers=2, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(64, 7)

    def forward(self, input_ids):
        states, _ = self.layer(self.embedding(input_ids))
        return self.classifier(states[:, -1])


class Branching(torch.nn.Module):
    """A convolution network with an If and a Loop in it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
        self.classifier = nn.Linear(16, 5)

    def forward(self, pixels):
        x = self.stem(pixels)
        steps = 1 if pixels.shape[2] > 40 else 3
        for _ in range(steps):
            x = x * 0.5 + torch.relu(x)
        if x.shape[3] > 4:
            x = x * 2.0
        else:
            x = x + 1.0
        return self.classifier(x.mean([2, 3]))


def vision(name, size=64, **options):
    return lambda: (getattr(torchvision.models, name)(weights=None, **options), image(size))


def timm_model(name, size=64, **options):
    def build():
        import timm

        return timm.create_model(name, pretrained=False, **options), image(size)

    return build


def image(size):
    return {"pixels": torch.rand(1, 3, size, size)}


def text_model(kind, classifier=False, **options):
    def build():
        import transformers

        auto = transformers.AutoModelForSequenceClassification if classifier else transformers.AutoModel
        config = transformers.AutoConfig.for_model(kind, vocab_size=300, **options)
        config._attn_implementation = "eager"
        network = auto.from_config(config, attn_implementation="eager")
        ids = torch.arange(8)[None] + 1
        return Plain(network), {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    return build


def vision_model(kind, size=64, classifier=False, **options):
    def build():
        import transformers

        auto = transformers.AutoModelForImageClassification if classifier else transformers.AutoModel
        config = transformers.AutoConfig.for_model(kind, image_size=size, **options)
        network = auto.from_config(config, attn_implementation="eager")
        return Plain(network), {"pixel_values": torch.rand(1, 3, size, size)}

    return build


class Plain(nn.Module):
    """Gives the tensors of a transformers output."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, *inputs):
        names = {1: ["pixel_values"], 2: ["input_ids", "attention_mask"]}[len(inputs)]
        output = self.network(**dict(zip(names, inputs)))
        return tuple(value for value in output.values() if isinstance(value, torch.Tensor))


small = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96)
networks = {
    "resnet18": vision("resnet18"),
    "resnet50": vision("resnet50"),
    "mobilenet_v2": vision("mobilenet_v2"),
    "mobilenet_v3_small": vision("mobilenet_v3_small"),
    "efficientnet_b0": vision("efficientnet_b0"),
    "convnext_tiny": vision("convnext_tiny"),
    "vit": lambda: (torchvision.models.VisionTransformer(64, 16, 4, 4, 96, 192), image(64)),
    "swin_t": vision("swin_t"),
    "densenet121": vision("densenet121"),
    "squeezenet1_1": vision("squeezenet1_1"),
    "shufflenet_v2_x0_5": vision("shufflenet_v2_x0_5"),
    "regnet_y_400mf": vision("regnet_y_400mf"),
    "googlenet": vision("googlenet", 96, init_weights=False, aux_logits=False),
    "inception_v3": vision("inception_v3", 128, init_weights=False, aux_logits=False),
    "mnasnet0_5": vision("mnasnet0_5"),
    "alexnet": vision("alexnet"),
    "vgg11_bn": vision("vgg11_bn", num_classes=10),
    "maxvit_t": vision("maxvit_t", 224),
    "ssdlite_backbone": lambda: (torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None), image(64)),
    "deit_tiny": timm_model("deit_tiny_patch16_224", img_size=64),
    "deit_distilled": timm_model("deit_tiny_distilled_patch16_224", img_size=64),
    "vit_gap": timm_model("vit_tiny_patch16_224", img_size=64, global_pool="avg", class_token=False),
    "vit_headless": timm_model("vit_tiny_patch16_224", img_size=64, num_classes=0),
    "vit_registers": timm_model("vit_small_patch14_reg4_dinov2", img_size=56),
    "mixer": timm_model("mixer_s32_224"),
    "ghostnet": timm_model("ghostnet_050"),
    "mobilevit": timm_model("mobilevit_xxs"),
    "edgenext": timm_model("edgenext_xx_small"),
    "resnext_se": timm_model("seresnext26d_32x4d"),
    "eca_nfnet": timm_model("eca_nfnet_l0"),
    "poolformer": timm_model("poolformer_s12"),
    "pvt_v2": timm_model("pvt_v2_b0"),
    "levit": timm_model("levit_128s", 224),
    "beit": timm_model("beit_base_patch16_224", img_size=64, embed_dim=96, depth=3, num_heads=4),
    "hrnet": timm_model("hrnet_w18_small"),
    "repvgg": timm_model("repvgg_a0"),
    "fastvit": timm_model("fastvit_t8"),
    "bert": text_model("bert", **small),
    "bert_classifier": text_model("bert", classifier=True, **small),
    "distilbert": text_model("distilbert", dim=48, n_layers=3, n_heads=4, hidden_dim=96),
    "roberta": text_model("roberta", classifier=True, **small),
    "electra": text_model("electra", embedding_size=48, **small),
    "mpnet": text_model("mpnet", **small),
    "clip_vision": vision_model("clip_vision_model", patch_size=16, **small),
    "dinov2": vision_model("dinov2", patch_size=16, classifier=True, **small),
    "segformer": vision_model("segformer", classifier=True, hidden_sizes=[16, 32, 64, 96], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 4, 4], decoder_hidden_size=32),
    "lstm": lambda: (Recurrent("LSTM"), {"input_ids": torch.arange(8)[None]}),
    "gru": lambda: (Recurrent("GRU"), {"input_ids": torch.arange(8)[None]}),
    "branching": lambda: (torch.jit.script(Branching()), image(64)),
}
quick = ["resnet18", "mobilenet_v2", "vit", "swin_t", "bert", "gru", "branching"]


def randomise(network):
    """Statistics of BatchNormalization as after training, and a scale at which values stay of the order of one."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            module.running_mean.copy_(0.1 * torch.randn(module.running_mean.shape, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=generator))
    return network.eval()


def export(network, inputs, path, *, dynamo, free, opset=None, keep_bn=False):
    names = list(inputs)
    options = {}
    if opset:
        options["opset_version"] = opset
    if free and dynamo:
        axes = {0: torch.export.Dim("batch")}
        # Text is free in its length too.
        options["dynamic_shapes"] = [
            {**axes, **({1: torch.export.Dim("sequence")} if value.dim() == 2 else {})} for value in inputs.values()
        ]
        example = tuple(torch.cat([value, value]) for value in inputs.values())
    else:
        example = tuple(inputs.values())
        if free:
            options["dynamic_axes"] = {
                name: {0: "batch", **({1: "sequence"} if value.dim() == 2 else {})} for name, value in inputs.items()
            }
    if dynamo:
        options["external_data"] = False
        if isinstance(network, Plain):
            options["dynamic_shapes"] = {"inputs": tuple(options["dynamic_shapes"])} if free else None
    if keep_bn:
        options |= {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    torch.onnx.export(network, example, path, input_names=names, dynamo=dynamo, **options)


class Noise(CalibrationDataReader):
    def __init__(self, model, examples=2):
        random = np.random.default_rng(1)
        self.rows = iter(
            [
                {
                    value.name: random.random([d.dim_value or 1 for d in value.type.tensor_type.shape.dim], np.float32)
                    for value in model.graph.input
                }
                for _ in range(examples)
            ]
        )

    def get_next(self):
        return next(self.rows, None)


def takes_pixels(model):
    return [value.type.tensor_type.elem_type for value in model.graph.input] == [TensorProto.FLOAT]


def float16(source, target):
    from onnxconverter_common import float16 as converter

    onnx.save(converter.convert_float_to_float16(onnx.load(source), keep_io_types=False), target)


def dynamic_int8(source, target):
    quantize_dynamic(source, target)


def static_int8(source, target, form):
    model = onnx.load(source)
    if takes_pixels(model):
        quantize_static(source, target, Noise(model), quant_format=form)


def optimised(source, target, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def initializer_inputs(source, target):
    model = onnx.load(source)
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    onnx.save(model, target)


def external_data(source, target):
    onnx.save_model(onnx.load(source), target, save_as_external_data=True, location=f"{target.name}.data", size_threshold=64)


def pixels_inside(source, target):
    """uint8 [N, height, width, 3] of any size; Cast, Transpose, Resize, scaling before the network."""
    model = onnx.load(source)
    if not takes_pixels(model):
        return
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    if opset < 13:
        return
    network = model.graph.input[0]
    size = [d.dim_value for d in network.type.tensor_type.shape.dim][2:]
    before = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["pp/float"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["pp/float"], ["pp/planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Shape", ["pp/planes"], ["pp/shape"]),
            helper.make_node("Slice", ["pp/shape", "pp/0", "pp/2"], ["pp/front"]),
            helper.make_node("Concat", ["pp/front", "pp/size"], ["pp/sizes"], axis=0),
            helper.make_node("Resize", ["pp/planes", "", "", "pp/sizes"], ["pp/resized"], mode="linear"),
            helper.make_node("Mul", ["pp/resized", "pp/scale"], ["pp/scaled"]),
            helper.make_node("Sub", ["pp/scaled", "pp/mean"], [network.name]),
        ],
        "before",
        [],
        [],
        [
            helper.make_tensor("pp/0", TensorProto.INT64, [1], [0]),
            helper.make_tensor("pp/2", TensorProto.INT64, [1], [2]),
            helper.make_tensor("pp/size", TensorProto.INT64, [2], size),
            helper.make_tensor("pp/scale", TensorProto.FLOAT, [], [1 / 255]),
            helper.make_tensor("pp/mean", TensorProto.FLOAT, [1, 3, 1, 1], [0.485, 0.456, 0.406]),
        ],
    )
    first = network.type.tensor_type.shape.dim[0]
    del model.graph.input[:]
    shape = [first.dim_value or first.dim_param, "height", "width", 3]
    model.graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, shape))
    nodes = [*before.node, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(before.initializer)
    onnx.save(model, target)


level = onnxruntime.GraphOptimizationLevel
variants = {
    "float16": float16,
    "int8-dynamic": dynamic_int8,
    "int8-qdq": lambda a, b: static_int8(a, b, QuantFormat.QDQ),
    "int8-qoperator": lambda a, b: static_int8(a, b, QuantFormat.QOperator),
    "optimised": lambda a, b: optimised(a, b, level.ORT_ENABLE_EXTENDED),
    "initializer-inputs": initializer_inputs,
    "external-data": external_data,
    "pixels-inside": pixels_inside,
}
styles = {
    "script-9-fixed": dict(dynamo=False, free=False, opset=9),
    "script-11-fixed": dict(dynamo=False, free=False, opset=11),
    "script-17-fixed": dict(dynamo=False, free=False, opset=17),
    "script-13-bn": dict(dynamo=False, free=True, opset=13, keep_bn=True),
    "script-17-free": dict(dynamo=False, free=True, opset=17),
    "dynamo-fixed": dict(dynamo=True, free=False),
    "dynamo-free": dict(dynamo=True, free=True),
}


def accepted(make, source, target):
    """A converter may write what ONNX Runtime refuses."""
    try:
        make(source, target)
        if target.exists():
            onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    except Exception:
        target.unlink(missing_ok=True)
        raise


def attempt(what, action):
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            action()
    except Exception as error:  # noqa: BLE001 - an exporter's failure, whatever it is, only leaves its file out
        print(f"{what}: {type(error).__name__}: {str(error).strip().splitlines()[0][:160] if str(error).strip() else ''}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", default="", help="part of the names of networks to export")
    parser.add_argument("--quick", action="store_true", help="a few networks")
    options = parser.parse_args()
    torch.manual_seed(1)
    for name, build in networks.items():
        if options.only not in name or (options.quick and name not in quick):
            continue
        folder = options.out / name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            network, inputs = build()
        except Exception as error:  # noqa: BLE001 - a package that is absent
            print(f"{name}: {error!r}"[:200])
            continue
        network = randomise(network)
        for style, how in styles.items():
            path = folder / f"{style}.onnx"
            if not path.exists():
                attempt(f"{name}/{style}", lambda: export(network, inputs, str(path), **how))
        for source in ("script-17-free", "script-11-fixed"):
            for variant, make in variants.items():
                path, target = folder / f"{source}.onnx", folder / f"{source}-{variant}.onnx"
                if path.exists() and not target.exists():
                    attempt(f"{name}/{target.stem}", lambda: accepted(make, path, target))
        print(f"{name}: {len(list(folder.glob('*.onnx')))} files", flush=True)


if __name__ == "__main__":
    # The fast path has operators that no exporter knows.
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad():
        main()
