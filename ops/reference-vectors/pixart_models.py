"""Reference cases of PixArt's own model classes (PixArt-alpha and PixArt-Sigma repositories).

Usage: pixart_models.py --family alpha|sigma --source CHECKOUT --commit HASH --out FOLDER
"""

import argparse
import functools
import sys

import torch

import stubs
from refcase import first, flat, model_case, result

stubs.install("xformers", "mmcv", "torchvision")

import timm  # noqa: E402, needs the stubs

SUBSTITUTED = (
    "xformers.ops.memory_efficient_attention with its block diagonal mask: plain softmax(q k^T / sqrt(D)) v per row",
    "mmcv.Registry: a decorator that returns the class; torchvision: empty, nothing of it is called",
    f"timm {timm.__version__}: Mlp, PatchEmbed, DropPath and the constructor of Attention are the originals",
)
SHAPE = dict(patch_size=2, in_channels=4, hidden_size=24, depth=2, num_heads=4, mlp_ratio=4.0, pred_sigma=True,
             caption_channels=20, model_max_length=7)
MEANINGS = {"y": "caption embeddings [B, 1, L, Cy]", "y_proj": "caption after y_proj [B, 1, L, C]",
            "csize_emb": "height and width embeddings [B, 2 C / 3]", "ar_emb": "aspect-ratio embedding [B, C / 3]"}
NOTES = [
    "timestep and size table: exponent k / 128, cosines first",
    "position table: pos = i / (H / base) / scale with base = input_size // patch_size of the configuration, whatever the"
    " size of the input; first half of the channels is the column. The buffer pos_embed is in the state dict: PixArt adds"
    " it as it is, PixArtMS recomputes the table from the input's own size",
    "text: tokens selected by the mask are packed, row b only sees its own; the cross attention has no norm and no gate",
    "y_embedder.y_embedding is the learned null caption [model_max_length, Cy], in encoder space",
    "modulation: table [6, C] + t_block(t), order shift, scale, gate (attention), shift, scale, gate (MLP); final layer: table"
    " [2, C] + timestep vector before SiLU",
    "norms without affine part, eps 1e-6; GELU in the tanh form",
]


def hooks(full, model):
    found = []
    for i, block in enumerate(model.blocks):
        found.append((f"blocks.{i}.out", block, result))
        if full:
            found += [(f"blocks.{i}.attn_in", block.attn, first), (f"blocks.{i}.attn_out", block.attn, result)]
            if i == 0:
                found += [("x_embed", block, first), ("blocks.0.cross_attn_out", block.cross_attn, result),
                          ("blocks.0.mlp_out", block.mlp, result)]
    if full:
        found += [("patch_embed", model.x_embedder.proj, flat), ("t_emb", model.t_embedder, result),
                  ("t_mlp", model.t_block, result), ("y_proj", model.y_embedder, result),
                  ("final_layer", model.final_layer, result)]
        if hasattr(model, "csize_embedder"):
            found += [("csize_emb", model.csize_embedder, result), ("ar_emb", model.ar_embedder, result)]
    return found


def call(model, i):
    info = {"img_hw": i["data_info.hw"], "aspect_ratio": i["data_info.ar"]} if "data_info.hw" in i else None
    return model(i["x"], i["timestep"], i["y"], mask=i.get("mask"), data_info=info)


def inputs(seed, height, width):
    g = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(2, 4, height, width, generator=g), "timestep": torch.tensor([987.0, 214.0]),
            "y": torch.randn(2, 1, 7, 20, generator=g),
            "mask": torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0, 0]])}


SIZES = {"data_info.hw": torch.tensor([[768.0, 1280.0], [512.0, 512.0]]), "data_info.ar": torch.tensor([[0.6], [1.0]])}


def without(tensors, *names):
    return {name: value for name, value in tensors.items() if name not in names}


def case(out, name, seed, kind, fields, source, runs, notes):
    model_case(out, name, seed, fields, {**source, "class": kind.__name__},
               lambda override: kind(**{**fields, **override}), runs, MEANINGS, NOTES + notes, substituted=SUBSTITUTED)


def alpha(source, out):
    from diffusion.model.nets import PixArt, PixArtMS

    nets = "diffusion/model/nets/"
    fields = dict(input_size=8, lewei_scale=2.0, **SHAPE)
    sized = {**inputs(2402, 6, 10), **SIZES}
    case(out, "pixart_alpha_ms", 2401, PixArtMS, fields, {**source, "file": nets + "PixArtMS.py"},
         {"ms": dict(description="size and aspect-ratio conditions, 6x10 latent, text mask", inputs=sized, call=call,
                     hooks=functools.partial(hooks, True)),
          "nomask": dict(description="no text mask", full=False, inputs=without(sized, "mask"), call=call,
                         hooks=functools.partial(hooks, False))},
         ["size embeddings (height, width, aspect ratio, C / 3 each) are added to t before t_block and reach the final layer"])
    case(out, "pixart_alpha", 2421, PixArt, fields, {**source, "file": nets + "PixArt.py"},
         {"mask": dict(description="fixed square size, text mask", inputs=inputs(2422, 8, 8), call=call,
                       hooks=functools.partial(hooks, True))},
         ["square inputs of input_size only"])


def sigma(source, out):
    from diffusion.model.nets import PixArtMS

    compress = {"sampling": "conv", "scale_factor": 2, "kv_compress_layer": [1]}
    # Without q/k norm, like all published weights.
    fields = dict(input_size=8, pe_interpolation=2.0, micro_condition=False, qk_norm=False, kv_compress_config=compress, **SHAPE)
    case(out, "pixart_sigma_ms", 2451, PixArtMS, fields, {**source, "file": "diffusion/model/nets/PixArtMS.py"},
         {"compress": dict(description="block 1 shrinks keys and values by a 2x2 depthwise convolution", inputs=inputs(2452, 8, 12),
                           call=call, hooks=functools.partial(hooks, False))},
         ["compressed layers: convolution and affine LayerNorm (attn.norm, eps 1e-5) on k and on v, both with the same weights",
          "q keeps its length"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--family", choices=("alpha", "sigma"), required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    sys.path.insert(0, args.source)
    stubs.package("diffusion", args.source + "/diffusion")
    source = {"repo": f"PixArt-alpha/PixArt-{args.family}", "revision": "master", "commit": args.commit}
    (alpha if args.family == "alpha" else sigma)(source, args.out)


if __name__ == "__main__":
    main()
