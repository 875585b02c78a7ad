"""The encoder of T5 v1.1 (https://arxiv.org/abs/1910.10683, https://arxiv.org/abs/2002.05202 for the gated layer), with the
tensor names and configuration keys of transformers' T5EncoderModel."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from errors import ConversionError
from weights import fill, read_json, read_weights


class RmsNorm(nn.Module):
    """Divides by the root mean square; no mean is subtracted and nothing added."""

    def __init__(self, channels, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.empty(channels)), eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps))


class SelfAttention(nn.Module):
    """Attention without biases; its logits are not divided by the root of the head's size, the weights are scaled so."""

    def __init__(self, c, has_positions):
        super().__init__()
        inner = c["num_heads"] * c["d_kv"]
        self.heads = c["num_heads"]
        self.q, self.k, self.v = (nn.Linear(c["d_model"], inner, bias=False) for _ in range(3))
        self.o = nn.Linear(inner, c["d_model"], bias=False)
        if has_positions:
            self.relative_attention_bias = nn.Embedding(c["relative_attention_num_buckets"], c["num_heads"])

    def forward(self, x, bias):
        q, k, v = (project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in (self.q, self.k, self.v))
        probabilities = (q @ k.transpose(-1, -2) + bias).softmax(-1)
        return self.o((probabilities @ v).transpose(1, 2).flatten(2))


class GatedGelu(nn.Module):
    """wo(gelu(wi_0 x) * wi_1 x), with the tanh form of GELU."""

    def __init__(self, c):
        super().__init__()
        self.wi_0, self.wi_1 = (nn.Linear(c["d_model"], c["d_ff"], bias=False) for _ in range(2))
        self.wo = nn.Linear(c["d_ff"], c["d_model"], bias=False)

    def forward(self, x):
        return self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))


class Sublayer(nn.Module):
    """A residual branch behind a norm, under the name that the published weights use."""

    def __init__(self, c, name, branch):
        super().__init__()
        self.name = name
        self.layer_norm = RmsNorm(c["d_model"], c["layer_norm_epsilon"])
        self.add_module(name, branch)

    def forward(self, x, *args):
        return x + self.get_submodule(self.name)(self.layer_norm(x), *args)


class Block(nn.Module):
    """Self-attention, then the gated layer. Only the first block has position biases; all use them."""

    def __init__(self, c, first):
        super().__init__()
        self.layer = nn.ModuleList([
            Sublayer(c, "SelfAttention", SelfAttention(c, first)), Sublayer(c, "DenseReluDense", GatedGelu(c))])

    def forward(self, x, bias):
        return self.layer[1](self.layer[0](x, bias))


class T5Encoder(nn.Module):
    """int64 input_ids and attention_mask [batch, tokens] to float32 [batch, tokens, d_model]."""

    def __init__(self, c):
        super().__init__()
        self.half = c["relative_attention_num_buckets"] // 2
        buckets = distance_buckets(self.half, c["relative_attention_max_distance"])
        self.register_buffer("buckets", buckets, persistent=False)
        self.shared = nn.Embedding(c["vocab_size"], c["d_model"])
        self.encoder = nn.Module()
        self.encoder.block = nn.ModuleList(Block(c, i == 0) for i in range(c["num_layers"]))
        self.encoder.final_layer_norm = RmsNorm(c["d_model"], c["layer_norm_epsilon"])

    def forward(self, input_ids, attention_mask):
        bias = self._position_bias(input_ids)
        hidden = torch.zeros_like(attention_mask, dtype=torch.float32).masked_fill(
            attention_mask == 0, torch.finfo(torch.float32).min)
        bias = bias + hidden[:, None, None, :]
        x = self.shared(input_ids)
        for block in self.encoder.block:
            x = block(x, bias)
        return self.encoder.final_layer_norm(x)

    def _position_bias(self, input_ids):
        """[1, heads, queries, keys]; keys behind the query have the second half of the buckets."""
        at = torch.arange(input_ids.shape[1], device=input_ids.device)
        offset = at[None, :] - at[:, None]
        bucket = self.buckets[offset.abs().clamp(max=len(self.buckets) - 1)]
        bucket = bucket + (offset > 0) * self.half
        table = self.encoder.block[0].layer[0].SelfAttention.relative_attention_bias
        return table(bucket).permute(2, 0, 1)[None]


def distance_buckets(half, max_distance):
    """The bucket of every distance from 0 to the greatest that is told apart: one each up to half of these buckets, then
    ever more distances in one, logarithmically. A table, since some distances lie so exactly between two buckets that
    another logarithm than PyTorch's, which the weights were trained with, may choose the other."""
    exact = half // 2
    distance = torch.arange(max_distance + 1, device="cpu")
    far = (distance.clamp(min=1).float() / exact).log() / math.log(max_distance / exact) * (half - exact)
    return torch.where(distance < exact, distance, (exact + far.long()).clamp(max=half - 1))


DEFAULTS = {"layer_norm_epsilon": 1e-6, "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128}
# With the least that makes sense: there are two halves of buckets, and a half is exact in its own first half.
LEAST = {
    "vocab_size": 1, "d_model": 1, "d_kv": 1, "d_ff": 1, "num_layers": 1, "num_heads": 1,
    "relative_attention_num_buckets": 4, "relative_attention_max_distance": 2}


def _config(path):
    config = DEFAULTS | read_json(path)
    if config.get("feed_forward_proj") != "gated-gelu" or config.get("dense_act_fn", "gelu_new") != "gelu_new":
        raise ConversionError(
            f"Expected the feed_forward_proj gated-gelu of T5 v1.1 in {path}, but it is "
            f"{config.get('feed_forward_proj')} with {config.get('dense_act_fn')}; other T5s are not converted")
    for key, least in LEAST.items():
        if not isinstance(config.get(key), int) or config[key] < least:
            raise ConversionError(
                f"Expected a whole number of at least {least} as {key} in {path}, but it is {config.get(key)}; fetch the file again")
    if config["relative_attention_max_distance"] <= config["relative_attention_num_buckets"] // 4:
        raise ConversionError(
            f"Expected a relative_attention_max_distance above {config['relative_attention_num_buckets'] // 4} in {path}, "
            f"a quarter of the buckets, but it is {config['relative_attention_max_distance']}; fetch the file again")
    return config


def _encoder_only(tensors):
    """Drops the decoder of a whole T5; of the two names of the embedding that are in use, keeps one."""
    kept = {name: value for name, value in tensors.items() if not name.startswith(("decoder.", "lm_head."))}
    embedding = kept.pop("encoder.embed_tokens.weight", None)
    if embedding is not None:
        kept.setdefault("shared.weight", embedding)
    return kept


def load_t5(folder):
    """The encoder in a folder with config.json and weights."""
    config = _config(f"{folder}/config.json")
    with torch.device("meta"):
        encoder = T5Encoder(config)
    return fill(encoder, _encoder_only(read_weights(folder)), folder)
