"""Makes a tiny text encoder and a tiny autoencoder with random weights, in the layouts that are published.

  python tiny.py OUT    writes OUT/text_encoder, OUT/tokenizer, OUT/vae and OUT/model, a model folder without these parts
"""
import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from t5 import T5Encoder
from vae import DEFAULTS, VaeDecoder

HERE = Path(__file__).parent
MAX_TOKENS = 48
# More rows than the tokenizer has pieces, as in T5; few buckets, so that short prompts reach the last.
T5_CONFIG = {
    "architectures": ["T5EncoderModel"], "model_type": "t5", "vocab_size": 208, "d_model": 24, "d_kv": 6, "d_ff": 40,
    "num_layers": 3, "num_heads": 3, "relative_attention_num_buckets": 12, "relative_attention_max_distance": 16,
    "dropout_rate": 0.1, "layer_norm_epsilon": 1e-6, "feed_forward_proj": "gated-gelu", "is_encoder_decoder": True,
    "tie_word_embeddings": False, "pad_token_id": 0, "eos_token_id": 1}
VAE_CONFIG = {
    "_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "latent_channels": 4, "act_fn": "silu",
    "block_out_channels": [8, 8, 12, 16], "layers_per_block": 2, "norm_num_groups": 4, "sample_size": 32,
    "scaling_factor": 0.18215, "shift_factor": 0.1159,
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
INDEX = {
    "name": "tiny-converted", "dit": {"config": "dit/config.json", "weights": "dit/model.safetensors"},
    "temporal_compression": 1, "height": 32, "width": 32, "num_frames": 1, "fps": 8, "model_max_length": MAX_TOKENS,
    "scheduler": "rflow", "use_timestep_transform": False, "num_sampling_steps": 10, "cfg_scale": 1.0}


def random_weights(module, generator):
    """Values that keep activations near 1: gains around 1, small biases, the rest by the number of inputs."""
    def value(name, like):
        noise = torch.randn(like.shape, generator=generator)
        if name.endswith("bias"):
            return 0.2 * noise
        if like.dim() == 1:
            return 1 + 0.3 * noise
        if "shared" in name or "relative_attention_bias" in name:
            return noise
        return noise * like[0].numel() ** -0.5

    return {name: value(name, like) for name, like in module.state_dict().items()}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_t5(out, generator):
    """Two shards and an index, with the parts of a whole T5 that the converter drops."""
    tensors = random_weights(T5Encoder(T5_CONFIG), generator)
    tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"].clone()
    tensors["decoder.final_layer_norm.weight"] = torch.ones(T5_CONFIG["d_model"])
    tensors["lm_head.weight"] = torch.ones(T5_CONFIG["vocab_size"], T5_CONFIG["d_model"])
    write_json(out / "config.json", T5_CONFIG)
    names = sorted(tensors)
    places = {}
    for shard, part in enumerate((names[: len(names) // 2], names[len(names) // 2:]), start=1):
        file = f"model-{shard:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, out / file)
        places |= dict.fromkeys(part, file)
    write_json(out / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})


def write_vae(out, generator):
    """A PyTorch file with the old names of the attention, as Stable Diffusion's autoencoders have them."""
    tensors = random_weights(VaeDecoder(DEFAULTS | VAE_CONFIG), generator)
    for old, new in {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}.items():
        for kind in ("weight", "bias"):
            at = "decoder.mid_block.attentions.0."
            tensors[f"{at}{old}.{kind}"] = tensors.pop(f"{at}{new}.{kind}")
    tensors["encoder.conv_in.bias"] = torch.ones(8)
    tensors["quant_conv.bias"] = torch.ones(8)
    write_json(out / "config.json", VAE_CONFIG)
    torch.save(tensors, out / "diffusion_pytorch_model.bin")


def main():
    out = Path(sys.argv[1])
    generator = torch.Generator().manual_seed(3)
    write_t5(out / "text_encoder", generator)
    write_vae(out / "vae", generator)
    (out / "tokenizer").mkdir(exist_ok=True)
    shutil.copyfile(HERE / "testdata" / "spiece.model", out / "tokenizer" / "spiece.model")
    # The workers' reader asks only that the transformer's files exist.
    write_json(out / "model" / "model_index.json", INDEX)
    write_json(out / "model" / "dit" / "config.json", {"model_type": "STDiT3", "in_channels": 4})
    save_file({}, out / "model" / "dit" / "model.safetensors")


if __name__ == "__main__":
    main()
