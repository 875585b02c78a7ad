"""Reference case of Latte's own class-conditional model (Vchitect/Latte).

Usage: latte_models.py --source CHECKOUT --commit HASH --out FOLDER
"""

import argparse
import functools
import importlib.util

import torch

import stubs
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    spec = importlib.util.spec_from_file_location("latte", args.source + "/models/latte.py")
    latte = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(latte)

    fields = dict(input_size=4, patch_size=2, in_channels=4, hidden_size=24, depth=4, num_heads=4, mlp_ratio=4.0, num_frames=3,
                  class_dropout_prob=0.1, num_classes=13, learn_sigma=True, extras=2, attention_mode="math")
    g = torch.Generator().manual_seed(2502)
    plain = {"x": torch.randn(2, 3, 4, 4, 4, generator=g), "t": torch.tensor([999, 421]), "y": torch.tensor([5, 13])}
    guided = {"x": torch.randn(2, 3, 4, 4, 4, generator=g), "t": torch.tensor([614, 614]), "y": torch.tensor([7, 13])}
    model_case(
        args.out, "latte_label", 2501, fields,
        {"repo": "Vchitect/Latte", "revision": "main", "commit": args.commit, "file": "models/latte.py", "class": "Latte"},
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


if __name__ == "__main__":
    main()
