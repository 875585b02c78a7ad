"""Reference cases of the model classes in the diffusers library.

Usage: diffusers_models.py --source CHECKOUT --commit HASH --out FOLDER
"""

import argparse
import functools
import sys

import torch

from refcase import first, flat, model_case, result, result_of

HEADS, WIDTH, LAYERS = 4, 6, 2
CHANNELS = HEADS * WIDTH


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--out", required=True)
    return parser.parse_args()


def configuration(model_class, fields, version):
    """The configuration file that the library itself would save."""
    config = {k: v for k, v in dict(model_class(**fields).config).items() if not k.startswith("_")}
    return {"_class_name": model_class.__name__, "_diffusers_version": version, **config}


def block_hooks(name, block, cross, full):
    hooks = [(f"{name}.out", block, result)]
    if full:
        hooks += [
            (f"{name}.attn_in", block.attn1, first),
            (f"{name}.attn_out", block.attn1, result),
            (f"{name}.mlp_out", block.ff, result),
        ]
        if cross:
            hooks.append((f"{name}.cross_attn_out", block.attn2, result))
    return hooks


def dit_hooks(full, model):
    hooks = [("x_embed", model.pos_embed, result), ("final_layer", model.proj_out_2, result)]
    for i, block in enumerate(model.transformer_blocks):
        hooks += block_hooks(f"blocks.{i}", block, False, full and i == 0)
    if full:
        zero = model.transformer_blocks[0].norm1
        hooks += [
            ("patch_embed", model.pos_embed.proj, flat),
            ("t_emb", zero.emb.timestep_embedder, result),
            ("y_emb", zero.emb.class_embedder, result),
            ("cond", zero.emb, result),
            ("blocks.0.modulation", zero.linear, result),
        ]
    return hooks


def text_hooks(full, model):
    hooks = []
    for i, block in enumerate(model.transformer_blocks):
        hooks += block_hooks(f"blocks.{i}", block, True, full and i == 0)
    for i, block in enumerate(getattr(model, "temporal_transformer_blocks", ())):
        hooks += block_hooks(f"temporal_blocks.{i}", block, False, full and i == 0)
        if full and i == 0:
            hooks.append((f"temporal_blocks.{i}.in", block, first))
    if full:
        embedder = model.adaln_single.emb
        hooks += [
            ("x_embed", model.pos_embed, result),
            ("t_mlp", model.adaln_single, result_of(0)),
            ("final_layer", model.proj_out, result),
            ("patch_embed", model.pos_embed.proj, flat),
            ("t_emb", embedder.timestep_embedder, result),
            ("cond", embedder, result),
            ("y_proj", model.caption_projection, result),
        ]
        if getattr(model, "use_additional_conditions", False):
            hooks += [("csize_emb", embedder.resolution_embedder, result),
                      ("ar_emb", embedder.aspect_ratio_embedder, result)]
    return hooks


def dit(lib, source, out):
    fields = dict(num_attention_heads=HEADS, attention_head_dim=WIDTH, in_channels=4, out_channels=8, num_layers=LAYERS,
                  sample_size=8, patch_size=2, num_embeds_ada_norm=13)
    g = torch.Generator().manual_seed(2101)
    inputs = {"x": torch.randn(3, 4, 8, 8, generator=g), "t": torch.tensor([999, 421, 3]), "y": torch.tensor([5, 12, 13])}

    def call(model, i):
        return model(i["x"], timestep=i["t"], class_labels=i["y"]).sample

    model_case(
        out, "diffusers_dit", 2101, configuration(lib.DiTTransformer2DModel, fields, lib.__version__),
        {**source, "file": "src/diffusers/models/transformers/dit_transformer_2d.py", "class": "DiTTransformer2DModel"},
        lambda override: lib.DiTTransformer2DModel(**fields, **override),
        {"fwd": dict(
            description="class labels, learned sigma; row 2 uses the null class (index num_embeds_ada_norm). The timestep"
            " table uses downscale_freq_shift = 1: f_k = exp(-ln(10000) * k / 127), k = 0..127, unlike the original DiT's k / 128",
            inputs=inputs, call=call, hooks=functools.partial(dit_hooks, True))},
        {},
        ["timestep table: exponent k / (half - 1) with half = 128, cosines first",
         "every block has its own timestep and class embedder; the final layer uses those of block 0",
         "the null class is row num_embeds_ada_norm of class_embedder.embedding_table",
         "norm1 and norm_out have eps 1e-6, norm3 (before the MLP) has norm_eps = 1e-5",
         "proj_out_1 gives shift, scale of the final layer from SiLU(condition)",
         "the position table is not stored; base size = sample_size / patch_size, interpolation scale 1",
         "output rows (patch row, patch column, channel), channel fastest; square inputs only"])


def text_inputs(seed, frames=None, tokens=7):
    g = torch.Generator().manual_seed(seed)
    shape = (2, 4, 6, 10) if frames is None else (2, 4, frames, 4, 6)
    return {
        "x": torch.randn(shape, generator=g),
        "timestep": torch.tensor([987, 214]),
        "y": torch.randn(2, tokens, 20, generator=g),
    }


def pixart_fields(conditions, scale):
    return dict(num_attention_heads=HEADS, attention_head_dim=WIDTH, in_channels=4, out_channels=8, num_layers=LAYERS,
                cross_attention_dim=CHANNELS, sample_size=8, patch_size=2, num_embeds_ada_norm=1000, caption_channels=20,
                use_additional_conditions=conditions, interpolation_scale=scale)


def call_pixart(model, i):
    added = {"resolution": i.get("data_info.hw"), "aspect_ratio": i.get("data_info.ar")}
    return model(i["x"], encoder_hidden_states=i["y"], timestep=i["timestep"], added_cond_kwargs=added,
                 encoder_attention_mask=i.get("mask")).sample


PIXART_NOTES = [
    "timestep and size table: exponent k / 128, cosines first, as in the golden models",
    "position table not stored: pos = i / (H / base) / interpolation_scale with base = sample_size / patch_size from the"
    " configuration (floor of the token grid), recomputed when the input has another size; the first half of the channels is"
    " the column, as everywhere",
    "interpolation_scale: the field, else max(sample_size // 64, 1)",
    "text mask: an additive bias (1 - mask) * -10000 on the logits of every text token; the weights of masked tokens are exactly 0 in float32,"
    " so packing the used tokens is equivalent. A row whose mask is all zero would attend uniformly",
    "q, k and v are separate layers, in self and cross attention; norm2 is used before the MLP; the cross attention has no norm",
    "modulation order shift, scale, gate (attention), shift, scale, gate (MLP); final layer: table + embedded timestep"
    " (before SiLU, size embeddings included)",
]


def pixart(lib, source, out):
    model = lib.PixArtTransformer2DModel
    source = {**source, "file": "src/diffusers/models/transformers/pixart_transformer_2d.py",
              "class": "PixArtTransformer2DModel"}
    mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0, 0]])
    meanings = {"y": "caption embeddings [B, L, Cy] (encoder_hidden_states)",
                "mask": "text mask [B, L], 1 = token used (encoder_attention_mask)"}
    alpha = pixart_fields(True, 2)
    sizes = {"data_info.hw": torch.tensor([[768.0, 1280.0], [512.0, 512.0]]),
             "data_info.ar": torch.tensor([[0.6], [1.0]])}
    square = {**text_inputs(2203), **sizes, "mask": mask}
    square["x"] = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2204))
    model_case(
        out, "diffusers_pixart_alpha", 2201, configuration(model, alpha, lib.__version__), source,
        lambda override: model(**{**alpha, **override}),
        {"ms": dict(description="resolution and aspect ratio conditions, 6x10 latent (the table is recomputed), text mask",
                    inputs={**text_inputs(2202), **sizes, "mask": mask}, call=call_pixart,
                    hooks=functools.partial(text_hooks, True)),
         "native_size": dict(description="8x8 latent, the size of the configuration", full=False, inputs=square,
                             call=call_pixart, hooks=functools.partial(text_hooks, False)),
         "nomask": dict(description="no text mask: every token counts", full=False,
                        inputs={**text_inputs(2202), **sizes}, call=call_pixart,
                        hooks=functools.partial(text_hooks, False)),
         "plain": dict(description="use_additional_conditions false on the same weights; resolution_embedder.* and"
                       " aspect_ratio_embedder.* are not used", full=False, override={"use_additional_conditions": False},
                       inputs={**text_inputs(2202), "mask": mask}, call=call_pixart,
                       hooks=functools.partial(text_hooks, False))},
        {**meanings, "csize_emb": "height and width embeddings [2 B, C / 3], row by row",
         "ar_emb": "aspect-ratio embedding [B, C / 3]"}, PIXART_NOTES)
    sigma = pixart_fields(False, 2)
    model_case(
        out, "diffusers_pixart_sigma", 2251, configuration(model, sigma, lib.__version__), source,
        lambda override: model(**{**sigma, **override}),
        {"mask": dict(description="PixArt-Sigma: no size conditions, interpolation_scale 2, text mask, 6x10 latent",
                      inputs={**text_inputs(2252), "mask": mask}, call=call_pixart,
                      hooks=functools.partial(text_hooks, True))},
        meanings, PIXART_NOTES + ["this class has no key/value compression and no q/k norm"])


def latte(lib, source, out):
    fields = dict(num_attention_heads=HEADS, attention_head_dim=WIDTH, in_channels=4, out_channels=8, num_layers=LAYERS,
                  cross_attention_dim=CHANNELS, attention_bias=True, sample_size=8, patch_size=2,
                  activation_fn="gelu-approximate", num_embeds_ada_norm=1000, norm_type="ada_norm_single",
                  norm_elementwise_affine=False, norm_eps=1e-6, caption_channels=20, video_length=3)
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]])
    bias = ((1 - mask.float()) * -10000.0)[:, None].repeat_interleave(3, dim=0)

    def call(model, i):
        return model(i["x"], timestep=i["timestep"], encoder_hidden_states=i["y"],
                     encoder_attention_mask=i.get("text_bias")).sample

    meanings = {"x": "latent input [B, C, F, H, W]", "y": "caption embeddings [B, L, Cy] (encoder_hidden_states)",
                "mask": "text mask [B, L] the bias was made from; not an argument of the call",
                "text_bias": "bias on the logits [B F, 1, L]: 0 = keep, -10000 = discard (encoder_attention_mask)"}
    plain = text_inputs(2302, frames=3, tokens=5)
    image = text_inputs(2303, frames=1, tokens=5)
    model_case(
        out, "diffusers_latte", 2301, configuration(lib.LatteTransformer3DModel, fields, lib.__version__),
        {**source, "file": "src/diffusers/models/transformers/latte_transformer_3d.py", "class": "LatteTransformer3DModel"},
        lambda override: lib.LatteTransformer3DModel(**fields, **override),
        {"fwd": dict(description="three frames, no text mask (as the library's pipeline calls it)", inputs=plain, call=call,
                     hooks=functools.partial(text_hooks, True)),
         "text_bias": dict(description="three frames, a text mask given as a bias per frame", full=False,
                           inputs={**plain, "mask": mask, "text_bias": bias}, call=call,
                           hooks=functools.partial(text_hooks, False)),
         "image": dict(description="one frame: the temporal table is NOT added, the temporal blocks still run", full=False,
                       inputs=image, call=call, hooks=functools.partial(text_hooks, False))},
        meanings,
        ["layer pairs: spatial block transformer_blocks.i (with cross attention), then temporal_transformer_blocks.i (without)",
         "the temporal table is added to the residual stream once, in front of temporal block 0, only if there is more than one"
         " frame; table of video_length rows, so the number of frames must be video_length (or 1)",
         "temporal table: positions 0, 1, ..., sines first, no scaling; not stored",
         "spatial table as in PixArt: base size = sample_size / patch_size, scale max(sample_size // 64, 1)",
         "text mask: the class hands encoder_attention_mask to the blocks as it is; a two-dimensional 0/1 mask is neither"
         " converted nor repeated per frame and fails. The pipeline cuts (batch 1) or zeroes the embeddings instead",
         "only t conditions; final layer: table + embedded timestep; order shift, scale, gate twice",
         "timestep table: exponent k / 128, cosines first"])


def main():
    args = arguments()
    sys.path.insert(0, args.source + "/src")
    import diffusers

    diffusers.utils.logging.set_verbosity_error()
    source = {"repo": "huggingface/diffusers", "revision": diffusers.__version__, "commit": args.commit}
    dit(diffusers, source, args.out)
    pixart(diffusers, source, args.out)
    latte(diffusers, source, args.out)


if __name__ == "__main__":
    main()
