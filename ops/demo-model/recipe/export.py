"""Writes a trained run as a model folder, with reference tensors for checking another implementation.

  python export.py --run RUN --out ..            weights, configs, ONNX, reference/
"""
import argparse
import json
import os

import torch

from dataset import FPS, FRAMES
from eval import decode, load_model, sample, scaled
from files import load_safetensors, save_safetensors, sheet, write_mp4
from model import DIT_CONFIG, T5_CONFIG, VAE_CONFIG
from train import SIZE, build

REFERENCE = {"red_circle_right": "a red circle moving right on a black background",
             "yellow_star_growing": "a yellow star growing on a navy background",
             "green_triangle_bouncing": "a green triangle bouncing on a white background"}


class DecoderOnly(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, z):
        return self.vae.decode(z)


class EncoderOnly(DecoderOnly):
    def forward(self, x):
        return self.vae.quant_conv(self.vae.encoder(x))  # mean and log variance


def onnx(module, inputs, path, names_in, names_out, dynamic):
    torch.onnx.export(module.eval(), inputs, path, input_names=names_in, output_names=names_out, dynamic_axes=dynamic,
                      opset_version=17, dynamo=False, do_constant_folding=True)


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def weights(run, out, steps, cfg):
    trained = load_safetensors(f"{run}/dit.safetensors")
    part = lambda p: {k[len(p):]: v for k, v in trained.items() if k.startswith(p)}
    for d in ("dit", "text_encoder", "vae", "reference"):
        os.makedirs(f"{out}/{d}", exist_ok=True)
    stats = torch.load(f"{run}/cache.pt", mmap=True)
    shift, scale = ([round(v, 4) for v in stats[k].tolist()] for k in ("shift", "scale"))
    tokenizer = build()[0]
    save_safetensors(f"{out}/dit/model.safetensors", part("dit."))
    save_safetensors(f"{out}/text_encoder/model.safetensors", part("t5."))
    save_safetensors(f"{out}/vae/model.safetensors", load_safetensors(f"{run}/vae.safetensors"))
    write_json(f"{out}/dit/config.json", DIT_CONFIG)
    write_json(f"{out}/text_encoder/config.json", T5_CONFIG | {"vocab_size": len(tokenizer.vocab)})
    write_json(f"{out}/text_encoder/tokenizer.json", tokenizer.to_json())
    write_json(f"{out}/vae/config.json", VAE_CONFIG | {"shift": shift, "scale": scale})
    side = {"min": 32, "max": 256, "multiple_of": 16}
    write_json(f"{out}/model_index.json", {
        "name": "shapes-stdit3-tiny", "architecture": "Open-Sora 1.2 (STDiT3, rectified flow)",
        "dit": {"class": "STDiT3", "config": "dit/config.json", "weights": "dit/model.safetensors"},
        "text_encoder": {"class": "T5EncoderModel", "config": "text_encoder/config.json", "weights": "text_encoder/model.safetensors",
                         "tokenizer": "text_encoder/tokenizer.json", "onnx": "text_encoder/model.onnx"},
        "vae": {"class": "AutoencoderKL", "config": "vae/config.json", "weights": "vae/model.safetensors",
                "decoder_onnx": "vae/decoder.onnx", "encoder_onnx": "vae/encoder.onnx"},
        "latent_formula": "vae_latent = latent * scale + shift, per channel", "shift": shift, "scale": scale,
        "latent_channels": 4, "spatial_compression": 8, "temporal_compression": 1,
        "height": SIZE, "width": SIZE, "num_frames": FRAMES,
        "limits": {"height": side, "width": side, "frames": {"min": 1, "max": 64}}, "fps": FPS, "model_max_length": DIT_CONFIG["model_max_length"],
        "scheduler": "rflow", "num_timesteps": 1000, "use_timestep_transform": False, "num_sampling_steps": steps,
        "cfg_scale": cfg, "condition_frame_length": 8, "license": "Apache-2.0"})


@torch.no_grad()
def reference(out):
    info, tokenizer, t5, dit, vae = load_model(out)
    steps, cfg, gen, clips = info["num_sampling_steps"], info["cfg_scale"], torch.Generator().manual_seed(2024), []
    draw = lambda: torch.randn(1, 4, FRAMES, SIZE // 8, SIZE // 8, generator=gen)

    def one(name, prompt, given=None):
        noise, trace = draw(), []
        z = sample(dit, t5, tokenizer, [prompt], noise, steps, cfg, given=given, trace=trace)
        ids, mask = tokenizer([prompt])
        y, start = t5(ids, mask), noise.clone()
        x_mask = None
        k = 0 if given is None else given.shape[2]  # the network's output for given frames is never used
        if k:
            start[:, :, :k] = given
            x_mask = torch.arange(FRAMES)[None] >= k
        out_of = lambda text: dit(start, torch.tensor([1000.0]), text, mask, torch.tensor([float(FPS)]), SIZE, SIZE, x_mask)[:, :, k:]
        frames = decode(vae, info, z)[0]
        tensors = {"noise": noise, "input_ids": ids, "attention_mask": mask, "text_embedding": y,
                   "first_output_text": out_of(y), "first_output_null": out_of(dit.y_embedder.y_embedding[None]),
                   "step_latents": torch.cat(trace), "latents": z, "frames_uint8": frames,
                   "decoded": vae.decode(scaled(info, z)[0].transpose(0, 1))}
        if k:
            tensors["given_latents"] = given
        save_safetensors(f"{out}/reference/{name}.safetensors", tensors,
                         {"prompt": prompt, "steps": str(steps), "cfg_scale": str(cfg), "given_frames": str(k)})
        return z, frames

    for name, prompt in REFERENCE.items():
        z, frames = one(name, prompt)
        if not clips:
            first, k = z, info["condition_frame_length"]
        clips.append(frames)
        sheet(f"{out}/reference/{name}.png", [frames], 2)
        write_mp4(f"{out}/reference/{name}.mp4", frames)
    more = one("red_circle_right_extended", REFERENCE["red_circle_right"], first[:, :, -k:])[1]
    longer = torch.cat([clips[0], more[k:]])
    sheet(f"{out}/reference/red_circle_right_extended.png", [longer], 2)
    write_mp4(f"{out}/reference/red_circle_right_extended.mp4", longer)


def export_onnx(out):
    info, tokenizer, t5, dit, vae = load_model(out)
    nchw = {0: "batch", 2: "height", 3: "width"}
    onnx(DecoderOnly(vae), (torch.randn(2, 4, 8, 8),), f"{out}/vae/decoder.onnx", ["latent_sample"], ["sample"], {"latent_sample": nchw, "sample": nchw})
    onnx(EncoderOnly(vae), (torch.randn(2, 3, 64, 64),), f"{out}/vae/encoder.onnx", ["sample"], ["latent_parameters"], {"sample": nchw, "latent_parameters": nchw})
    text = {0: "batch", 1: "sequence"}
    onnx(t5, tokenizer(["a red circle", "a blue star growing"]), f"{out}/text_encoder/model.onnx", ["input_ids", "attention_mask"], ["last_hidden_state"],
         {"input_ids": text, "attention_mask": text, "last_hidden_state": text})


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--run", default="run")
    ap.add_argument("--out", default="..")
    ap.add_argument("--steps", type=int, default=30)
    ap.add_argument("--cfg", type=float, default=5.0)
    ap.add_argument("--only", choices=["weights", "onnx", "reference"])
    args = ap.parse_args()
    if args.only in (None, "weights"):
        weights(args.run, args.out, args.steps, args.cfg)
    if args.only in (None, "onnx"):
        export_onnx(args.out)
    if args.only in (None, "reference"):
        reference(args.out)
