"""STDiT3 of Open-Sora 1.2 in PyTorch, for inference on a processor, as someone would write it who cares for time.

Fused attention, results written in place where nobody needs what was there, and what depends on the text alone computed once
(`prepare`). Names of weights are those of the published checkpoint. Tensors are [batch, frames, patches, channels] unless they
say otherwise. `sequence` says which frames and patches this process has; alone it has all of them.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

EPSILON = 1e-6
FREQUENCIES = 256


def modulate(x, shift, scale):
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=EPSILON), 1 + scale)


class Scalar(nn.Module):
    """A number's sinusoids, 128 cosines first, through two layers: [batch] to [batch, channels]."""

    def __init__(self, channels):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, channels), nn.SiLU(), nn.Linear(channels, channels))

    def forward(self, values):
        half = FREQUENCIES // 2
        frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * (-math.log(10000) / half))
        angles = values.float()[:, None] * frequencies
        return self.mlp(torch.cat([angles.cos(), angles.sin()], -1).to(self.mlp[0].weight.dtype))


class Rotary(nn.Module):
    """Positions along the frames for pairs of channels (2k, 2k + 1)."""

    def __init__(self, dimension):
        super().__init__()
        self.register_buffer("freqs", torch.empty(dimension // 2))

    def tables(self, frames):
        """Cosines and sines [frames, dimension / 2]."""
        angles = torch.arange(frames)[:, None] * self.freqs.float()
        return angles.cos(), angles.sin()


def rotate(x, tables):
    """[..., frames, heads, dimension], in float32."""
    cosines, sines = (table[:, None] for table in tables)
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([even * cosines - odd * sines, odd * cosines + even * sines], -1)
    return turned.flatten(-2).to(x.dtype)


class HeadNorm(nn.Module):
    def __init__(self, dimension):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dimension))

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight, EPSILON)


class SelfAttention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.q_norm = HeadNorm(channels // heads)
        self.k_norm = HeadNorm(channels // heads)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x, tables):
        """[sequences, tokens, channels]; positions where there are tables."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(2)
        q, k = self.q_norm(q), self.k_norm(k)
        if tables is not None:
            q, k = rotate(q, tables), rotate(k, tables)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.q_linear = nn.Linear(channels, channels)
        self.kv_linear = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)

    def prepare(self, text):
        """Keys and values [batch, heads, tokens, dimension] of text [batch, tokens, channels]."""
        k, v = self.kv_linear(text).unflatten(-1, (2, self.heads, -1)).unbind(2)
        return k.transpose(1, 2).contiguous(), v.transpose(1, 2).contiguous()

    def forward(self, x, keys_values):
        """[batch, tokens, channels]."""
        q = self.q_linear(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return self.proj(F.scaled_dot_product_attention(q, *keys_values).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x):
        return self.fc2(torch.ops.aten.gelu_(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    """Attention within frames, or across them at each patch; then to the text; then the MLP."""

    def __init__(self, channels, heads, hidden, is_temporal):
        super().__init__()
        self.is_temporal = is_temporal
        self.scale_shift_table = nn.Parameter(torch.empty(6, channels))
        self.attn = SelfAttention(channels, heads)
        self.cross_attn = CrossAttention(channels, heads)
        self.mlp = Mlp(channels, hidden)

    def forward(self, x, vectors, keys_values, tables):
        """`x` is overwritten. `vectors` [batch, frames or 1, 1, 6, channels] of the timestep."""
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = (self.scale_shift_table + vectors).unbind(3)
        tokens = modulate(x, shift, scale)
        if self.is_temporal:
            tokens = tokens.transpose(1, 2)
        result = self.attn(tokens.flatten(0, 1), tables).view(tokens.shape)
        x.addcmul_(gate, result.transpose(1, 2) if self.is_temporal else result)
        x.add_(self.cross_attn(x.flatten(1, 2), keys_values).view(x.shape))
        return x.addcmul_(mlp_gate, self.mlp(modulate(x, mlp_shift, mlp_scale)))


class Final(nn.Module):
    def __init__(self, channels, values):
        super().__init__()
        self.scale_shift_table = nn.Parameter(torch.empty(2, channels))
        self.linear = nn.Linear(channels, values)

    def forward(self, x, vector, vector0, generated):
        """[batch, channels] of the timestep, and of 0 for frames that are given: the checkpoint's code norms those twice."""
        shift, scale = (self.scale_shift_table + vector[:, None]).unsqueeze(1).unsqueeze(1).unbind(3)
        x = modulate(x, shift, scale)
        if generated is not None:
            shift, scale = (self.scale_shift_table + vector0[:, None]).unsqueeze(1).unsqueeze(1).unbind(3)
            x = torch.where(generated[:, :, None, None], x, modulate(x, shift, scale))
        return self.linear(x)


class Patches(nn.Module):
    def __init__(self, latent_channels, channels, patch):
        super().__init__()
        self.proj = nn.Conv3d(latent_channels, channels, kernel_size=patch, stride=patch)

    def forward(self, latents):
        """Latents [batch, channels, frames, height, width] to patches; incomplete ones are filled up with zeros."""
        _, rows, columns = self.proj.kernel_size
        height, width = latents.shape[-2:]
        padded = F.pad(latents, (0, -width % columns, 0, -height % rows))
        return self.proj(padded).flatten(3).permute(0, 2, 3, 1).contiguous()


class Text(nn.Module):
    def __init__(self, text_channels, channels, tokens):
        super().__init__()
        self.y_embedding = nn.Parameter(torch.empty(tokens, text_channels))
        self.y_proj = Mlp(text_channels, channels)
        self.y_proj.fc2 = nn.Linear(channels, channels)


class Stdit3(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels, heads, depth = config["hidden_size"], config["num_heads"], config["depth"]
        hidden = int(channels * config["mlp_ratio"])
        self.patch = config["patch_size"]
        self.square = config.get("input_sq_size", 512)
        self.latent_channels = config["in_channels"]
        self.output_channels = self.latent_channels * (2 if config["pred_sigma"] else 1)
        self.x_embedder = Patches(self.latent_channels, channels, self.patch)
        self.t_embedder = Scalar(channels)
        self.fps_embedder = Scalar(channels)
        self.t_block = nn.Sequential(nn.SiLU(), nn.Linear(channels, 6 * channels))
        self.y_embedder = Text(config["caption_channels"], channels, config["model_max_length"])
        self.rope = Rotary(channels // heads)
        self.spatial_blocks = nn.ModuleList(Block(channels, heads, hidden, False) for _ in range(depth))
        self.temporal_blocks = nn.ModuleList(Block(channels, heads, hidden, True) for _ in range(depth))
        self.final_layer = Final(channels, math.prod(self.patch) * self.output_channels)

    def blocks(self):
        for pair in zip(self.spatial_blocks, self.temporal_blocks):
            yield from pair

    def prepare(self, text):
        """Each block's keys and values of encoded text [batch, tokens, text channels], equally long in all rows."""
        projected = self.y_embedder.y_proj(text)
        return [block.cross_attn.prepare(projected) for block in self.blocks()]

    def positions(self, rows, columns, height, width):
        """[patches, channels] for pixels of height and width: the column's half first; sines first in each."""
        quarter = self.t_block[1].in_features // 4
        frequencies = torch.exp(torch.arange(quarter, dtype=torch.float64) * (-math.log(10000) / quarter))
        scale = math.sqrt(height * width) / self.square
        base = round(math.sqrt(rows * columns))

        def axis(count):
            angles = (torch.arange(count, dtype=torch.float64) / scale * (base / count))[:, None] * frequencies
            return torch.cat([angles.sin(), angles.cos()], -1)

        by_column = axis(columns)[None].expand(rows, -1, -1)
        by_row = axis(rows)[:, None].expand(-1, columns, -1)
        return torch.cat([by_column, by_row], -1).flatten(0, 1)

    def vectors(self, timestep, fps, generated):
        """The timestep's vector and those of the blocks, by frame where some frames are given."""
        by_fps = self.fps_embedder(fps)
        vector = self.t_embedder(timestep) + by_fps
        of_blocks = self.t_block(vector)[:, None]
        vector0 = None
        if generated is not None:
            vector0 = self.t_embedder(torch.zeros_like(timestep)) + by_fps
            of_blocks = torch.where(generated[:, :, None], of_blocks, self.t_block(vector0)[:, None])
        return vector, vector0, of_blocks.unflatten(-1, (6, -1)).unsqueeze(2)

    def forward(self, latents, timestep, fps, size, keys_values, sequence, generated=None):
        """
        latents: [batch, channels, frames, height, width], this process's frames
        timestep, fps: [batch]
        size: height and width in pixels
        generated: [batch, frames], all frames; false where a frame is given
        returns the prediction [batch, output channels, frames, height, width]
        """
        height, width = latents.shape[-2:]
        _, patch_rows, patch_columns = self.patch
        rows, columns = -(-height // patch_rows), -(-width // patch_columns)
        dtype = self.t_block[1].weight.dtype
        vector, vector0, of_blocks = self.vectors(timestep, fps, generated)
        by_frame = of_blocks if generated is None else of_blocks[:, sequence.frames]
        x = self.x_embedder(latents.to(dtype)).add_(self.positions(rows, columns, *size).to(dtype))
        tables = self.rope.tables(sequence.all_frames)
        for number, (spatial, temporal) in enumerate(zip(self.spatial_blocks, self.temporal_blocks)):
            if number:
                x = sequence.to_frames(x)
            x = spatial(x, by_frame, keys_values[2 * number], None)
            x = temporal(sequence.to_patches(x), of_blocks, keys_values[2 * number + 1], tables)
        out = sequence.to_frames(self.final_layer(x, vector, vector0, generated)).float()
        out = out.view(*out.shape[:2], rows, columns, patch_rows, patch_columns, self.output_channels)
        out = out.permute(0, 6, 1, 2, 4, 3, 5).reshape(out.shape[0], self.output_channels, -1, rows * patch_rows, columns * patch_columns)
        return out[..., :height, :width]
