"""The decoder of the image autoencoder of latent diffusion (https://arxiv.org/abs/2112.10752), with the tensor names and
configuration keys of diffusers' AutoencoderKL."""
import torch
import torch.nn.functional as F
from torch import nn

from errors import ConversionError
from weights import fill, read_json, read_weights

EPS = 1e-6

# Weights saved before diffusers 0.18, among them those of Stable Diffusion, name the attention's layers so.
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class Resnet(nn.Module):
    """Twice norm, SiLU and convolution, around a shortcut."""

    def __init__(self, channels_in, channels, groups):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, channels_in, EPS), nn.GroupNorm(groups, channels, EPS)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else None

    def forward(self, x):
        branch = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return branch + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Attention(nn.Module):
    """One head over all pixels."""

    def __init__(self, channels, groups):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, EPS)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])
        self.scale = channels ** -0.5

    def forward(self, x):
        pixels = self.group_norm(x).flatten(2).transpose(1, 2)
        probabilities = (self.to_q(pixels) @ self.to_k(pixels).transpose(1, 2) * self.scale).softmax(-1)
        return x + self.to_out[0](probabilities @ self.to_v(pixels)).transpose(1, 2).reshape(x.shape)


class Upsampler(nn.Module):
    """Twice the size by repeating pixels, then a convolution."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class MidBlock(nn.Module):
    """A resnet, attention where the model has it, a resnet."""

    def __init__(self, channels, groups, attention):
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(channels, channels, groups) for _ in range(2))
        self.attentions = nn.ModuleList([Attention(channels, groups)] if attention else [])

    def forward(self, x):
        x = self.resnets[0](x)
        for attention in self.attentions:
            x = attention(x)
        return self.resnets[1](x)


class UpBlock(nn.Module):
    """Resnets, then twice the size, except after the last of them."""

    def __init__(self, channels_in, channels, layers, groups, upsample):
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(channels_in if i == 0 else channels, channels, groups) for i in range(layers))
        self.upsamplers = nn.ModuleList([Upsampler(channels)] if upsample else [])

    def forward(self, x):
        for layer in [*self.resnets, *self.upsamplers]:
            x = layer(x)
        return x


class Decoder(nn.Module):
    """Latents to pixels."""

    def __init__(self, c):
        super().__init__()
        widths, groups = c["block_out_channels"][::-1], c["norm_num_groups"]
        self.conv_in = nn.Conv2d(c["latent_channels"], widths[0], 3, padding=1)
        self.mid_block = MidBlock(widths[0], groups, c["mid_block_add_attention"])
        self.up_blocks = nn.ModuleList(
            UpBlock(widths[max(i - 1, 0)], width, c["layers_per_block"] + 1, groups, i < len(widths) - 1)
            for i, width in enumerate(widths))
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], EPS)
        self.conv_out = nn.Conv2d(widths[-1], c["out_channels"], 3, padding=1)

    def forward(self, x):
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class VaeDecoder(nn.Module):
    """float32 [frames, latent_channels, height, width] to [frames, 3, height * compression, width * compression], -1..1."""

    def __init__(self, c):
        super().__init__()
        self.post_quant_conv = nn.Conv2d(c["latent_channels"], c["latent_channels"], 1) if c["use_post_quant_conv"] else None
        self.decoder = Decoder(c)

    def forward(self, latent_sample):
        return self.decoder(latent_sample if self.post_quant_conv is None else self.post_quant_conv(latent_sample))


DEFAULTS = {
    "out_channels": 3, "latent_channels": 4, "layers_per_block": 1, "norm_num_groups": 32, "act_fn": "silu",
    "scaling_factor": 0.18215, "shift_factor": None, "latents_mean": None, "latents_std": None,
    "use_post_quant_conv": True, "mid_block_add_attention": True}
ONLY = {"act_fn": "silu", "out_channels": 3, "latents_mean": None, "latents_std": None}


def _config(path):
    config = DEFAULTS | read_json(path)
    widths, groups = config.get("block_out_channels"), config["norm_num_groups"]
    if not isinstance(widths, list) or not widths:
        raise ConversionError(f"Expected block_out_channels in {path}, but it is {widths}; name an AutoencoderKL's folder")
    if not isinstance(groups, int) or groups < 1 or any(width % groups for width in widths):
        raise ConversionError(
            f"Expected a norm_num_groups that divides the block_out_channels {widths} in {path}, but it is {groups}; fetch the file again")
    if not isinstance(config["scaling_factor"], (int, float)) or config["scaling_factor"] <= 0:
        raise ConversionError(
            f"Expected a scaling_factor above 0 in {path}, but it is {config['scaling_factor']}; fetch the file again")
    for key, value in (ONLY | {"up_block_types": ["UpDecoderBlock2D"] * len(widths)}).items():
        if config.get(key) != value:
            raise ConversionError(f"Expected the {key} {value} in {path}, but it is {config.get(key)}; others are not converted")
    return config


def _decoder_only(tensors):
    """Drops the encoder; renames what older diffusers saved."""
    kept = {}
    for name, value in tensors.items():
        if name.startswith(("encoder.", "quant_conv.")):
            continue
        head, attention, tail = name.rpartition(".attentions.0.")
        layer, _, kind = tail.rpartition(".")
        kept[f"{head}{attention}{OLD_ATTENTION.get(layer, layer)}.{kind}"] = value
    return kept


def load_vae(folder):
    """The decoder in a folder with config.json and weights, and its configuration with all defaults."""
    config = _config(f"{folder}/config.json")
    with torch.device("meta"):
        decoder = VaeDecoder(config)
    return fill(decoder, _decoder_only(read_weights(folder)), folder), config


def index_entries(config):
    """What the model folder's index says of latents: the decoder gets latent * scale + shift, per channel."""
    channels = config["latent_channels"]
    return {
        "shift": [config["shift_factor"] or 0.0] * channels,
        "scale": [1 / config["scaling_factor"]] * channels,
        "latent_channels": channels,
        "spatial_compression": 2 ** (len(config["block_out_channels"]) - 1)}
