"""Networks of many kinds at tiny sizes: torchvision's own, and blocks that its models lack.

NETWORKS maps a name to (build, draw): the module, and its inputs by name.
"""

import importlib.util
import math
import os
from functools import partial

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models import convnext, swin_transformer

from blocks import BLOCKS

here = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location(
    "make_network_gradients", os.path.join(here, "..", "fixtures", "make-network-gradients.py")
)
committed = importlib.util.module_from_spec(spec)
spec.loader.exec_module(committed)
image = committed.image


class EncoderLayers(nn.Module):
    """nn.TransformerEncoder with a key padding mask, as the library has it."""

    def __init__(self, norm_first, activation):
        super().__init__()
        self.embed = nn.Embedding(30, 12)
        layer = nn.TransformerEncoderLayer(
            12, 3, 20, dropout=0.1, activation=activation, batch_first=True, norm_first=norm_first
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(12, 4)

    def forward(self, ids, mask):
        x = self.encoder(self.embed(ids), src_key_padding_mask=mask == 0)
        weight = mask.unsqueeze(-1).to(x.dtype)
        return self.head((x * weight).sum(1) / weight.sum(1))


class CrossAttention(nn.Module):
    """nn.MultiheadAttention with other keys than queries, and its averaged weights used too."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3, kdim=8, vdim=8, batch_first=True)
        self.queries = nn.Parameter(torch.zeros(1, 5, 12))
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        queries = self.queries.expand(x.shape[0], -1, -1)
        y, weights = self.attention(queries, x, x)
        return self.head(y.mean(1)) + weights.amax((1, 2)).unsqueeze(-1)


class Gpt(nn.Module):
    """Causal attention by scaled_dot_product_attention, tanh GELU, the output tied to the embedding."""

    def __init__(self, fused=True):
        super().__init__()
        self.fused, dim = fused, 12
        self.words, self.places = nn.Embedding(30, dim), nn.Embedding(16, dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(5))
        self.qkv = nn.ModuleList(nn.Linear(dim, 3 * dim) for _ in range(2))
        self.out = nn.ModuleList(nn.Linear(dim, dim) for _ in range(2))
        self.up = nn.ModuleList(nn.Linear(dim, 20) for _ in range(2))
        self.down = nn.ModuleList(nn.Linear(20, dim) for _ in range(2))
        self.register_buffer("mask", torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16))

    def forward(self, ids):
        b, n = ids.shape
        x = self.words(ids) + self.places(torch.arange(n, device=ids.device))
        for i in range(2):
            q, k, v = self.qkv[i](self.norms[2 * i](x)).split(12, dim=2)
            q, k, v = (t.view(b, n, 3, 4).transpose(1, 2) for t in (q, k, v))
            if self.fused:
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            else:
                scores = q @ k.transpose(-2, -1) * (1.0 / math.sqrt(k.size(-1)))
                scores = scores.masked_fill(self.mask[:, :, :n, :n] == 0, float("-inf"))
                y = F.softmax(scores, dim=-1) @ v
            x = x + self.out[i](y.transpose(1, 2).contiguous().view(b, n, 12))
            x = x + self.down[i](F.gelu(self.up[i](self.norms[2 * i + 1](x)), approximate="tanh"))
        return F.linear(self.norms[4](x), self.words.weight)


class Llama(nn.Module):
    """RMS norm, rotary positions, grouped keys and values, gated SiLU."""

    def __init__(self):
        super().__init__()
        dim = 16
        self.words = nn.Embedding(30, dim)
        self.scale1, self.scale2, self.scale3 = (nn.Parameter(torch.ones(dim)) for _ in range(3))
        self.q, self.kv, self.o = nn.Linear(dim, dim, False), nn.Linear(dim, 16, False), nn.Linear(dim, dim, False)
        self.gate, self.up, self.down = nn.Linear(dim, 24, False), nn.Linear(dim, 24, False), nn.Linear(24, dim, False)
        angles = torch.outer(torch.arange(16.0), 10000 ** -torch.arange(0, 1, 0.5))
        self.register_buffer("cos", torch.cat([angles, angles], -1).cos())
        self.register_buffer("sin", torch.cat([angles, angles], -1).sin())

    @staticmethod
    def norm(x, scale):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * scale

    def turn(self, x):
        n = x.shape[2]
        left, right = x[..., :2], x[..., 2:]
        return x * self.cos[:n] + torch.cat([-right, left], -1) * self.sin[:n]

    def forward(self, ids):
        b, n = ids.shape
        x = self.words(ids)
        h = self.norm(x, self.scale1)
        q = self.turn(self.q(h).view(b, n, 4, 4).transpose(1, 2))
        k, v = self.kv(h).view(b, n, 2, 2, 4).unbind(2)
        k = self.turn(k.transpose(1, 2)).repeat_interleave(2, dim=1)
        v = v.transpose(1, 2)[:, :, None].expand(b, 2, 2, n, 4).reshape(b, 4, n, 4)
        mask = torch.triu(torch.full((n, n), float("-inf"), device=x.device), diagonal=1)
        y = F.softmax(q @ k.transpose(2, 3) / 2 + mask, dim=-1) @ v
        x = x + self.o(y.transpose(1, 2).reshape(b, n, 16))
        h = self.norm(x, self.scale2)
        x = x + self.down(F.silu(self.gate(h)) * self.up(h))
        return self.norm(x, self.scale3)[:, -1] @ self.words.weight.T


class DistilBert(nn.Module):
    """Masked by -inf through Where, first token, ReLU classifier."""

    def __init__(self):
        super().__init__()
        dim = 12
        self.words, self.places = nn.Embedding(30, dim, padding_idx=0), nn.Embedding(16, dim)
        self.norm0, self.norm1, self.norm2 = (nn.LayerNorm(dim, eps=1e-12) for _ in range(3))
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.up, self.down, self.pre, self.head = nn.Linear(dim, 20), nn.Linear(20, dim), nn.Linear(dim, dim), nn.Linear(dim, 3)
        self.drop = nn.Dropout(0.2)

    def forward(self, ids, mask):
        b, n = ids.shape
        x = self.drop(self.norm0(self.words(ids) + self.places(torch.arange(n).unsqueeze(0).expand_as(ids))))
        q, k, v = (f(x).view(b, -1, 3, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = torch.matmul(q / math.sqrt(4), k.transpose(2, 3))
        hidden = (mask == 0).view(b, 1, 1, -1).expand_as(scores)
        scores = torch.where(hidden, torch.tensor(float("-inf")), scores)
        y = torch.matmul(self.drop(scores.softmax(-1)), v).transpose(1, 2).contiguous().view(b, -1, 12)
        x = self.norm1(self.o(y) + x)
        x = self.norm2(self.down(F.gelu(self.up(x))) + x)
        return self.head(self.drop(F.relu(self.pre(x[:, 0]))))


class T5Bias(nn.Module):
    """Relative positions in logarithmic buckets."""

    def __init__(self):
        super().__init__()
        self.words, self.bias = nn.Embedding(30, 12), nn.Embedding(8, 3)
        self.q, self.k, self.v, self.o = (nn.Linear(12, 12, bias=False) for _ in range(4))

    def forward(self, ids):
        b, n = ids.shape
        x = self.words(ids)
        distance = torch.arange(n)[None, :] - torch.arange(n)[:, None]
        bucket = torch.clamp(distance.abs(), max=3) + (distance > 0).long() * 4
        q, k, v = (f(x).view(b, n, 3, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = q @ k.transpose(-1, -2) + self.bias(bucket).permute(2, 0, 1).unsqueeze(0)
        return self.o((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, 12)).mean(1)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.in1, self.n1 = nn.Conv2d(3, 6, 3, padding=1, padding_mode="reflect"), nn.GroupNorm(3, 6)
        self.in2, self.n2 = nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.InstanceNorm2d(8, affine=True)
        self.up = nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1)
        self.side = nn.Conv2d(8, 6, 1)
        self.out = nn.Conv2d(18, 2, 3, padding=1)

    def forward(self, x):
        a = F.leaky_relu(self.n1(self.in1(x)))
        b = F.elu(self.n2(self.in2(a)))
        up = F.interpolate(self.side(b), scale_factor=2, mode="bilinear", align_corners=True)
        return self.out(torch.cat([a, self.up(b), up], 1)).sigmoid()


class SuperResolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.slope = nn.Conv2d(3, 8, 5, padding=2), nn.Conv2d(8, 12, 3, padding=1), nn.PReLU(8)

    def forward(self, x):
        y = F.pixel_shuffle(self.b(self.slope(self.a(x))), 2)
        return y + F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 10, 4, 4)
        self.norm1, self.norm2 = nn.LayerNorm(10), nn.LayerNorm(10, bias=False)
        self.tokens = nn.Sequential(nn.Linear(16, 20), nn.GELU(), nn.Linear(20, 16))
        self.channels = nn.Sequential(nn.Linear(10, 40), nn.GLU(), nn.Mish(), nn.Linear(20, 10))
        self.head = nn.Linear(10, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(self.norm2(x))
        return self.head(x.mean(1))


class Gates(nn.Module):
    """Channel attention by a 1-D convolution, spatial attention by mean and max, split and shuffled branches."""

    def __init__(self):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 12, 3, 2, 1), nn.BatchNorm2d(12)
        self.eca, self.spatial = nn.Conv1d(1, 1, 3, padding=1, bias=False), nn.Conv2d(2, 1, 5, padding=2)
        self.branches = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1, groups=4) for _ in range(2))
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        x = F.relu6(self.bn(self.stem(x)))
        x = x * torch.sigmoid(self.eca(x.mean((2, 3)).unsqueeze(1))).transpose(1, 2).unsqueeze(-1)
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        x = x * F.hardsigmoid(self.spatial(both))
        a, b, c = x.chunk(3, 1)
        b = self.branches[0](b + a)
        c = self.branches[1](c + b)
        x = torch.stack([a, b, c], 2).flatten(1, 2)
        p = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x
        return self.head(F.adaptive_max_pool2d(x + p, 1).flatten(1))


class StandardizedConv(nn.Conv2d):
    def forward(self, x):
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True, unbiased=False)
        return F.conv2d(x, (self.weight - mean) / torch.sqrt(variance + 1e-6), self.bias, self.stride, self.padding)


class Standardized(nn.Module):
    """Convolutions whose weights are computed: standardised, and by norm and direction."""

    def __init__(self):
        super().__init__()
        self.a, self.norm = StandardizedConv(3, 8, 3, padding=1), nn.GroupNorm(4, 8)
        self.b = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 6, 3, stride=2))
        self.head = nn.Linear(6, 4, bias=False)

    def forward(self, x):
        x = F.relu(self.norm(self.a(x)))
        x = F.silu(self.b(x)).mean((2, 3))
        return 8 * F.normalize(x, dim=1) @ F.normalize(self.head.weight, dim=1).T


class TextCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 10)
        self.convs = nn.ModuleList(nn.Conv1d(10, 6, k) for k in (2, 3, 4))
        self.head = nn.Linear(18, 3)

    def forward(self, ids):
        x = self.words(ids).transpose(1, 2)
        return self.head(torch.cat([F.relu(conv(x)).max(2).values for conv in self.convs], 1))


class Volume(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.bn = nn.Conv3d(2, 6, 3, stride=(1, 2, 2), padding=1), nn.BatchNorm3d(6)
        self.b = nn.ConvTranspose3d(6, 4, 2, stride=2)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = F.max_pool3d(F.relu(self.bn(self.a(x))), 2)
        return self.head(F.softplus(self.b(x)).mean((2, 3, 4)))


class Normalized(nn.Module):
    """Local response and Lp norms, dilated and asymmetric pads, pooled to a fixed grid."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 5, stride=2), nn.Conv2d(8, 8, (3, 1), dilation=2, padding=(2, 0))
        self.head = nn.Linear(8 * 9, 4)

    def forward(self, x):
        x = F.local_response_norm(F.relu(self.a(F.pad(x, (1, 2, 0, 3)))), 5)
        x = F.normalize(self.b(x), p=1, dim=1) + F.normalize(x, p=2, dim=1)
        return self.head(F.adaptive_avg_pool2d(x, 3).flatten(1))


def ids(length=9):
    return lambda: {"ids": torch.randint(1, 30, (3, length))}


def masked():
    mask = torch.ones(3, 9, dtype=torch.int64)
    mask[0, 5:] = 0
    mask[2, 7:] = 0
    return {"ids": torch.randint(1, 30, (3, 9)), "mask": mask}


def vision(name, **options):
    return lambda: getattr(torchvision.models, name)(weights=None, num_classes=7, **options)


def tiny_convnext():
    config = convnext.CNBlockConfig
    return convnext.ConvNeXt([config(12, 16, 2), config(16, 20, 1), config(20, None, 1)], num_classes=5)


def tiny_swin(version):
    block = swin_transformer.SwinTransformerBlockV2 if version == 2 else None
    merge = swin_transformer.PatchMergingV2 if version == 2 else swin_transformer.PatchMerging
    return swin_transformer.SwinTransformer(
        [4, 4], 12, [2, 2], [2, 3], [4, 4], num_classes=5, block=block, downsample_layer=merge,
        norm_layer=partial(nn.LayerNorm, eps=1e-5),
    )


def tiny_vit():
    return torchvision.models.VisionTransformer(16, 4, 2, 3, 12, 20, num_classes=5)


NETWORKS = {
    **committed.NETWORKS,
    **BLOCKS,
    "encoder-post": (lambda: EncoderLayers(False, "relu"), masked),
    "encoder-pre": (lambda: EncoderLayers(True, "gelu"), masked),
    "cross-attention": (CrossAttention, lambda: {"x": torch.randn(2, 7, 8)}),
    "gpt": (Gpt, ids()),
    "gpt-plain": (lambda: Gpt(fused=False), ids()),
    "llama": (Llama, ids(7)),
    "distilbert": (DistilBert, masked),
    "t5-bias": (T5Bias, ids()),
    "unet": (UNet, image(2, (12, 16))),
    "super-resolution": (SuperResolution, image(2, (6, 7))),
    "mixer": (Mixer, image(2, (16, 16))),
    "gates": (Gates, image(2, (13, 14))),
    "standardized": (Standardized, image(2, (11, 12))),
    "text-cnn": (TextCnn, ids()),
    "volume": (Volume, lambda: {"x": torch.randn(2, 2, 6, 9, 10)}),
    "normalized": (Normalized, image(2, (23, 23))),
    "tv-vit": (tiny_vit, image(2, (16, 16))),
    "tv-convnext": (tiny_convnext, image(2, (32, 32))),
    "tv-swin": (lambda: tiny_swin(1), image(2, (40, 36))),
    "tv-swin-v2": (lambda: tiny_swin(2), image(2, (32, 32))),
    "tv-mobilenet-v2": (vision("mobilenet_v2", width_mult=0.25), image(2, (64, 64))),
    "tv-mobilenet-v3-small": (vision("mobilenet_v3_small"), image(2, (64, 64))),
    "tv-mnasnet": (vision("mnasnet0_5"), image(2, (64, 64))),
    "tv-resnet18": (vision("resnet18"), image(2, (65, 70))),
    "tv-squeezenet": (vision("squeezenet1_1"), image(2, (65, 65))),
    "tv-shufflenet": (vision("shufflenet_v2_x0_5"), image(2, (64, 64))),
    "tv-efficientnet-b0": (vision("efficientnet_b0"), image(2, (64, 64))),
    "tv-regnet-y": (vision("regnet_y_400mf"), image(2, (64, 64))),
    "tv-densenet": (
        lambda: torchvision.models.DenseNet(8, (2, 3, 2), 8, num_classes=7), image(2, (64, 64)),
    ),
    "tv-googlenet": (vision("googlenet", aux_logits=False, init_weights=False), image(2, (64, 64))),
    "tv-alexnet-like": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 11, 4, 2), nn.ReLU(True), nn.MaxPool2d(3, 2), nn.Conv2d(8, 8, 5, padding=2), nn.ReLU(True),
            nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Dropout(), nn.Linear(8, 7), nn.LogSoftmax(1),
        ),
        image(2, (63, 63)),
    ),
}
