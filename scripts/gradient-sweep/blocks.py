"""Blocks of newer networks, each at a tiny size and with a head: what torchvision has none of.

BLOCKS maps a name to (build, draw) as NETWORKS does.
"""

import torch
import torch.nn.functional as F
from torch import nn

WIDTH = 16


class OnMaps(nn.Module):
    """A convolution with stride, two blocks of one kind on maps, the average, a head."""

    def __init__(self, block):
        super().__init__()
        self.stem, self.blocks = nn.Conv2d(3, WIDTH, 3, 2, 1), nn.Sequential(block(), block())
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, x):
        return self.head(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


class OnSteps(nn.Module):
    """An embedding, two blocks of one kind on steps, the average, a head."""

    def __init__(self, block):
        super().__init__()
        self.words, self.blocks = nn.Embedding(30, WIDTH), nn.Sequential(block(), block())
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, ids):
        return self.head(self.blocks(self.words(ids)).mean(1))


class ResponseNorm(nn.Module):
    """ConvNeXt V2: a global response norm between two layers of channels."""

    def __init__(self):
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(WIDTH, WIDTH, 5, padding=2, groups=WIDTH), nn.LayerNorm(WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 24), nn.Linear(24, WIDTH)
        self.scale, self.shift = nn.Parameter(torch.zeros(24)), nn.Parameter(torch.zeros(24))

    def forward(self, x):
        y = F.gelu(self.up(self.norm(self.depthwise(x).permute(0, 2, 3, 1))))
        length = torch.norm(y, dim=(1, 2), keepdim=True)
        y = self.scale * (y * length / (length.mean(-1, keepdim=True) + 1e-6)) + self.shift + y
        return x + self.down(y).permute(0, 3, 1, 2)


class Sampled(nn.Module):
    """Deformable: each place takes what lies at an offset that it computes, between two places."""

    def __init__(self):
        super().__init__()
        self.offset, self.out = nn.Conv2d(WIDTH, 1, 3, padding=1), nn.Conv2d(WIDTH, WIDTH, 1)

    def forward(self, x):
        flat = x.flatten(2)
        places = flat.shape[2]
        at = 2 * torch.sigmoid(self.offset(x)).flatten(2) + torch.arange(places)
        low = at.floor()
        share = at - low
        first = low.long().clamp(0, places - 1)
        second = (first + 1).clamp(0, places - 1)
        taken = [flat.gather(2, index.expand(-1, WIDTH, -1)) for index in (first, second)]
        y = taken[0] * (1 - share) + taken[1] * share
        return F.relu(x + self.out(y.view_as(x)))


class Involution(nn.Module):
    """A kernel for each place, made of what lies there."""

    def __init__(self):
        super().__init__()
        self.squeeze, self.kernels = nn.Conv2d(WIDTH, 4, 1), nn.Conv2d(4, 2 * 9, 1)

    def forward(self, x):
        n, c, h, w = x.shape
        kernels = self.kernels(F.relu(self.squeeze(x))).view(n, 2, 1, 9, h, w)
        around = F.unfold(x, 3, padding=1).view(n, 2, c // 2, 9, h, w)
        return x + (kernels * around).sum(3).reshape(n, c, h, w)


class GridAttention(nn.Module):
    """MaxViT: attention over places that lie a grid apart, with a table of relative biases."""

    side = 2

    def __init__(self):
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.table = nn.Parameter(torch.zeros((2 * self.side - 1) ** 2, 2))
        grid = torch.stack(torch.meshgrid(*[torch.arange(self.side)] * 2, indexing="ij")).flatten(1)
        apart = grid[:, :, None] - grid[:, None] + self.side - 1
        self.register_buffer("index", apart[0] * (2 * self.side - 1) + apart[1])

    def forward(self, x):
        n, c, h, w = x.shape
        s = self.side
        y = x.view(n, c, s, h // s, s, w // s).permute(0, 3, 5, 2, 4, 1).reshape(-1, s * s, c)
        q, k, v = (t.reshape(-1, s * s, 2, c // 2).transpose(1, 2) for t in self.qkv(self.norm(y)).chunk(3, -1))
        scores = q @ k.transpose(-1, -2) * (c // 2) ** -0.5 + self.table[self.index].permute(2, 0, 1)
        y = y + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, s * s, c))
        return y.view(n, h // s, w // s, s, s, c).permute(0, 5, 3, 1, 4, 2).reshape(n, c, h, w)


class LinearAttention(nn.Module):
    """Keys and values are summed up before the queries come (Katharopoulos et al. 2020)."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k = F.elu(q) + 1, F.elu(k) + 1
        share = 1 / torch.einsum("bnd,bd->bn", q, k.sum(1))
        return x + self.out(torch.einsum("bnd,bde,bn->bne", q, torch.einsum("bnd,bne->bde", k, v), share))


class TalkingHeads(nn.Module):
    """CaiT: heads mixed before and after the softmax, and a scale for each channel of the branch."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.before, self.after = nn.Linear(4, 4), nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        n, steps, _ = x.shape
        q, k, v = self.qkv(x).view(n, steps, 3, 4, 4).permute(2, 0, 3, 1, 4)
        scores = self.before((q @ k.transpose(-1, -2) / 2).permute(0, 2, 3, 1)).softmax(2)
        y = self.after(scores).permute(0, 3, 1, 2) @ v
        return x + self.scale * self.out(y.transpose(1, 2).reshape(n, steps, WIDTH))


class StateSpace(nn.Module):
    """Mamba: a selective state, its steps written out."""

    def __init__(self):
        super().__init__()
        self.norm, self.open = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.around = nn.Conv1d(WIDTH, WIDTH, 3, padding=2, groups=WIDTH)
        self.select, self.rate = nn.Linear(WIDTH, 2 + 8, bias=False), nn.Linear(2, WIDTH)
        self.decay, self.skip = nn.Parameter(torch.zeros(WIDTH, 4)), nn.Parameter(torch.ones(WIDTH))
        self.close = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x):
        steps = x.shape[1]
        y, gate = self.open(self.norm(x)).chunk(2, -1)
        y = F.silu(self.around(y.transpose(1, 2))[..., :steps]).transpose(1, 2)
        rate, enter, leave = self.select(y).split([2, 4, 4], -1)
        rate = F.softplus(self.rate(rate)).unsqueeze(-1)
        state, seen = torch.zeros(x.shape[0], WIDTH, 4), []
        for t in range(steps):
            state = torch.exp(-rate[:, t] * torch.exp(self.decay)) * state + rate[:, t] * enter[:, t, None] * y[:, t, :, None]
            seen.append((state * leave[:, t, None]).sum(-1))
        return x + self.close((torch.stack(seen, 1) + self.skip * y) * F.silu(gate))


class WeightedSums(nn.Module):
    """RWKV: a step mixed with the one before it, sums that decay, a gate."""

    def __init__(self):
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(WIDTH), nn.Parameter(torch.zeros(3, WIDTH))
        self.r, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.decay, self.first = nn.Parameter(torch.zeros(WIDTH)), nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x):
        y = self.norm(x)
        before = F.pad(y, (0, 0, 1, -1))
        r, k, v = (f(y * m + before * (1 - m)) for f, m in zip((self.r, self.k, self.v), self.mix))
        keep, first = torch.exp(-torch.exp(self.decay)), torch.exp(self.first)
        above = below = torch.zeros_like(k[:, 0])
        seen = []
        for t in range(x.shape[1]):
            weight = torch.exp(k[:, t])
            seen.append((above + first * weight * v[:, t]) / (below + first * weight))
            above, below = keep * above + weight * v[:, t], keep * below + weight
        return x + self.out(torch.sigmoid(r) * torch.stack(seen, 1))


def maps():
    return {"x": torch.randn(2, 3, 12, 16)}


def steps():
    return {"ids": torch.randint(1, 30, (3, 6))}


BLOCKS = {
    **{
        name: (lambda block=block: OnMaps(block), maps)
        for name, block in {
            "response-norm": ResponseNorm, "sampled": Sampled, "involution": Involution, "grid-attention": GridAttention,
        }.items()
    },
    **{
        name: (lambda block=block: OnSteps(block), steps)
        for name, block in {
            "linear-attention": LinearAttention, "talking-heads": TalkingHeads,
            "state-space": StateSpace, "weighted-sums": WeightedSums,
        }.items()
    },
}
