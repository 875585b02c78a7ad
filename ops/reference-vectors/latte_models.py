"""Reference cases of Latte's own models (Vchitect/Latte): class-conditional, and text to video.

The text model builds on diffusers 0.24.0, the release that Latte's environment names.

Usage: latte_models.py --source CHECKOUT --commit HASH --diffusers CHECKOUT_OF_0.24.0 --out FOLDER
"""

import argparse
import functools
import importlib.util
import sys
import warnings

import torch

import stubs
from diffusers_models import text_hooks, text_inputs
from refcase import first, model_case, result

stubs.install("torchvision")

import timm  # noqa: E402, needs the stub

MEANINGS = {"x": "latent input [B, F, C, H, W]", "patch_embed": "after the patch projection [B F, S, C]"}


def hooks(full, model):
    found = []
    for i, block in enumerate(model.blocks):
        found.append((f"blocks.{i}.out", block, result))
        if full and i < 2:
            found += [(f"blocks.{i}.attn_in", block.attn, first), (f"blocks.{i}.attn_out", block.attn, result),
                      (f"blocks.{i}.mlp_out", block.mlp, result)]
    if full:
        found += [("patch_embed", model.x_embedder, result), ("t_emb", model.t_embedder, result),
                  ("y_emb", model.y_embedder, result), ("x_embed", model.blocks[0], first),
                  ("blocks.0.modulation", model.blocks[0].adaLN_modulation, result),
                  ("blocks.1.in", model.blocks[1], first), ("final_layer", model.final_layer, result)]
    return found


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def label(folder, source, out):
    latte = load(folder + "/models/latte.py", "latte")
    fields = dict(input_size=4, patch_size=2, in_channels=4, hidden_size=24, depth=4, num_heads=4, mlp_ratio=4.0, num_frames=3,
                  class_dropout_prob=0.1, num_classes=13, learn_sigma=True, extras=2, attention_mode="math")
    g = torch.Generator().manual_seed(2502)
    plain = {"x": torch.randn(2, 3, 4, 4, 4, generator=g), "t": torch.tensor([999, 421]), "y": torch.tensor([5, 13])}
    guided = {"x": torch.randn(2, 3, 4, 4, 4, generator=g), "t": torch.tensor([614, 614]), "y": torch.tensor([7, 13])}
    model_case(
        out, "latte_label", 2501, fields,
        {**source, "file": "models/latte.py", "class": "Latte"},
        lambda override: latte.Latte(**{**fields, **override}),
        {"fwd": dict(description="class labels; row 1 uses the null class (index num_classes)", inputs=plain,
                     call=lambda model, i: model(i["x"], i["t"], y=i["y"]), hooks=functools.partial(hooks, True)),
         "cfg": dict(description="forward_with_cfg: row 0 conditional, row 1 null label; the second half of x is ignored",
                     full=False, scalars={"cfg_scale": 4.0}, inputs=guided,
                     call=lambda model, i: model.forward_with_cfg(i["x"], i["t"], y=i["y"], cfg_scale=4.0),
                     hooks=functools.partial(hooks, False))},
        MEANINGS,
        ["even blocks work inside frames [(B F), S, C], odd blocks across frames [(B S), F, C]; no block has cross attention",
         "the temporal table temp_embed is added to the residual stream once, in front of block 1, also for one frame; it and"
         " pos_embed are in the state dict; the number of frames must be num_frames",
         "condition = timestep vector + class vector; every block has its own modulation of SiLU(condition)",
         "guidance acts on channels 0 to 3 (all latent channels); the variance channels are each row's own",
         "channels come after the frames: [B, F, C, H, W]",
         "timestep table: exponent k / 128, cosines first; position tables without scaling; norms eps 1e-6; GELU tanh form"],
        cast=("t_embedder.mlp",),
        substituted=("torchvision: empty, nothing of it is called",
                     f"timm {timm.__version__}: Mlp and PatchEmbed are the originals; attention is the file's own 'math' mode"))


def text(folder, diffusers, source, out):
    import huggingface_hub

    huggingface_hub.constants.hf_cache_home = "none"
    for name in ("HfFolder", "cached_download", "set_access_token", "OfflineModeIsEnabled"):
        for module in (huggingface_hub, huggingface_hub.utils):
            if not hasattr(module, name):
                setattr(module, name, type(name, (Exception,), {}))
    sys.path.insert(0, diffusers + "/src")
    model = load(folder + "/models/latte_t2v.py", "latte_t2v").LatteT2V

    fields = dict(num_attention_heads=4, attention_head_dim=6, in_channels=4, out_channels=8, num_layers=2,
                  cross_attention_dim=24, attention_bias=True, sample_size=8, patch_size=2, activation_fn="gelu-approximate",
                  num_embeds_ada_norm=1000, norm_type="ada_norm_single", norm_elementwise_affine=False, norm_eps=1e-6,
                  caption_channels=20, video_length=3)
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]])
    plain = text_inputs(2552, frames=3, tokens=5)

    def call(model, i):
        return model(i["x"], timestep=i["timestep"], encoder_hidden_states=i["y"],
                     added_cond_kwargs={"resolution": None, "aspect_ratio": None},
                     encoder_attention_mask=i.get("mask")).sample

    model_case(
        out, "latte_text", 2551, {"_class_name": "LatteT2V", **fields},
        {**source, "file": "models/latte_t2v.py", "class": "LatteT2V"},
        lambda override: model(**{**fields, **override}),
        {"mask": dict(description="three frames, text mask per row", inputs={**plain, "mask": mask}, call=call,
                      hooks=functools.partial(text_hooks, True)),
         "nomask": dict(description="three frames, no text mask (the project's pipeline passes none)", full=False,
                        inputs=plain, call=call, hooks=functools.partial(text_hooks, False)),
         "image": dict(description="one frame: the temporal table is NOT added, the temporal blocks still run", full=False,
                       inputs=text_inputs(2553, frames=1, tokens=5), call=call,
                       hooks=functools.partial(text_hooks, False))},
        {"x": "latent input [B, C, F, H, W]", "y": "caption embeddings [B, L, Cy]"},
        ["the same numbers bit for bit as LatteTransformer3DModel of diffusers 0.40.0.dev0 on these weights; only the extra"
         " tensor caption_projection.y_embedding [120, Cy], unused by the forward pass, tells the checkpoints apart",
         "text mask [B, L]: bias (1 - mask) * -10000, repeated for every frame (LatteTransformer3DModel of diffusers does not"
         " do this)",
         "the temporal table is added to the residual stream once, in front of temporal block 0, only for more than one frame",
         "spatial table not stored: base size = sample_size / patch_size, scale max(sample_size // 64, 1)"],
        substituted=("parts of diffusers 0.24.0 (commit 76c645d3a641c879384afcb43496f0b7db8cc5cb) are the originals",))


def main():
    parser = argparse.ArgumentParser()
    for name in ("source", "commit", "diffusers", "out"):
        parser.add_argument("--" + name, required=True)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    source = {"repo": "Vchitect/Latte", "revision": "main", "commit": args.commit}
    label(args.source, source, args.out)
    text(args.source, args.diffusers, source, args.out)


if __name__ == "__main__":
    main()
