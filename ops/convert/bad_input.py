"""Checks that models which can't be converted are refused with a word, on damaged copies of the tiny model.

  python bad_input.py TINY
"""
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CONVERT = Path(__file__).parent / "convert.py"


def change_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def pickle_that_calls(path):
    path.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")


T5_CONFIG, T5_INDEX = "text_encoder/config.json", "text_encoder/model.safetensors.index.json"
VAE_CONFIG, VAE_WEIGHTS = "vae/config.json", "vae/diffusion_pytorch_model.bin"
# Which file is damaged, how, and what the message must name.
CASES = [
    (T5_CONFIG, lambda f: change_json(f, feed_forward_proj="relu"), "feed_forward_proj gated-gelu"),
    (T5_CONFIG, lambda f: change_json(f, d_ff=41), "DenseReluDense"),
    (T5_CONFIG, lambda f: change_json(f, num_layers=4), "encoder.block.3"),
    (T5_CONFIG, lambda f: change_json(f, num_heads="3"), "num_heads"),
    (T5_CONFIG, lambda f: change_json(f, relative_attention_num_buckets=0), "relative_attention_num_buckets"),
    (T5_CONFIG, lambda f: f.write_text("[]"), "JSON object"),
    (T5_INDEX, lambda f: change_json(f, weight_map={"a": "../shard"}), "../shard"),
    (T5_INDEX, lambda f: change_json(f, weight_map={"a": "model-00001-of-00002.safetensors"}), "a is in none"),
    ("text_encoder/model-00001-of-00002.safetensors", cut, "00001-of-00002"),
    ("text_encoder/model-00002-of-00002.safetensors", Path.unlink, "00002-of-00002"),
    ("tokenizer/spiece.model", cut, "SentencePiece model"),
    ("tokenizer/spiece.model", Path.unlink, "--tokenizer"),
    (VAE_CONFIG, lambda f: change_json(f, latents_mean=[0.0] * 4), "latents_mean"),
    (VAE_CONFIG, lambda f: change_json(f, up_block_types=["AttnUpDecoderBlock2D"] * 4), "up_block_types"),
    (VAE_CONFIG, lambda f: change_json(f, scaling_factor=0), "scaling_factor"),
    (VAE_CONFIG, lambda f: change_json(f, norm_num_groups=3), "norm_num_groups"),
    (VAE_CONFIG, lambda f: change_json(f, block_out_channels=[8, 8, 12, 20]), "decoder"),
    (VAE_WEIGHTS, cut, VAE_WEIGHTS),
    (VAE_WEIGHTS, pickle_that_calls, VAE_WEIGHTS),
    (VAE_WEIGHTS, Path.unlink, "vae"),
]


def message_of(tiny, out):
    command = [sys.executable, CONVERT, "--text-encoder", tiny / "text_encoder", "--vae", tiny / "vae", "--out", out]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode, run.stderr


def main():
    for file, damage, expected in CASES:
        with tempfile.TemporaryDirectory() as folder:
            tiny = Path(folder) / "tiny"
            shutil.copytree(sys.argv[1], tiny)
            damage(tiny / file)
            code, message = message_of(tiny, Path(folder) / "out")
            good = code == 1 and message.startswith("longtake-convert: Expected ") and expected in message
            if not good or (Path(folder) / "out" / "model_index.json").exists():
                raise SystemExit(f"Expected a word about {expected} in {file}, but convert.py says ({code}): {message}")
    print(f"{len(CASES)} damaged models: refused")


if __name__ == "__main__":
    main()
