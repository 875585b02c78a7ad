"""Compares the two networks and the tokenizer with the public classes that they stand for, on random weights that these
classes save; needs the transformers and sentencepiece packages and, for the autoencoder, diffusers.

  python parity.py
"""
import tempfile
from pathlib import Path

import sentencepiece
import torch
from diffusers import AutoencoderKL
from tokenizers import Tokenizer
from transformers import T5Config, T5EncoderModel

from record import PROMPTS
from t5 import load_t5
from tiny import T5_CONFIG, VAE_CONFIG
from tokenizer import convert_tokenizer
from vae import load_vae

TOLERANCE = 2e-5
TEXT = {
    "tiny": T5_CONFIG,
    "with the buckets of T5": T5_CONFIG | {"relative_attention_num_buckets": 32, "relative_attention_max_distance": 128}}
VAES = {
    "tiny": VAE_CONFIG,
    "as Stable Diffusion": VAE_CONFIG | {"block_out_channels": [32, 64, 64, 64], "norm_num_groups": 32, "shift_factor": None},
    "without attention and the first convolution": VAE_CONFIG | {
        "mid_block_add_attention": False, "use_post_quant_conv": False, "use_quant_conv": False}}


def shake(model, generator):
    """What a class sets to ones and zeros would hide a wrong name."""
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def compare(what, ours, theirs):
    error, size = (ours - theirs).abs().max().item(), theirs.abs().max().item()
    print(f"{what}: largest difference {error:.1e}, largest value {size:.2f}")
    if not error <= TOLERANCE * max(1.0, size):
        raise SystemExit(f"Expected {what} to be equal but for rounding")


def text(config, folder, generator):
    theirs = shake(T5EncoderModel(T5Config(**config)), generator)
    theirs.save_pretrained(folder)
    ours = load_t5(folder)
    for tokens, padding in ((1, 0), (9, 3), (300, 50)):
        ids = torch.randint(3, config["vocab_size"], (2, tokens + padding), generator=generator)
        mask = torch.ones_like(ids)
        mask[1, tokens:] = 0
        difference = [network(input_ids=ids, attention_mask=mask) for network in (ours, theirs)]
        yield f"{tokens} tokens and {padding} more", difference[0], difference[1].last_hidden_state


def frames(config, folder, generator):
    theirs = shake(AutoencoderKL(**{k: v for k, v in config.items() if not k.startswith("_")}), generator)
    theirs.save_pretrained(folder)
    ours, _ = load_vae(folder)
    for size in ((1, 1), (4, 7), (16, 8)):
        latents = torch.randn(2, config["latent_channels"], *size, generator=generator)
        yield f"{size[0]} x {size[1]}", ours(latents), theirs.decode(latents).sample


def tokens(model, folder):
    """Ids of the converted tokenizer and of SentencePiece, for prompts that need its table of normalizations too."""
    convert_tokenizer([model.parent], folder / "tokenizer.json")
    converted = Tokenizer.from_file(str(folder / "tokenizer.json"))
    spiece = sentencepiece.SentencePieceProcessor(model_file=str(model))
    for name, prompt in PROMPTS.items():
        ids = [converted.encode(prompt).ids, spiece.encode(prompt) + [spiece.eos_id()]]
        if ids[0] != ids[1]:
            raise SystemExit(f"Expected the tokens {ids[1]} for {prompt!r}, but there are {ids[0]}")
    print(f"{len(PROMPTS)} prompts: equal tokens")


@torch.no_grad()
def main():
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(7)
    for kind, run, configs in (("T5", text, TEXT), ("AutoencoderKL", frames, VAES)):
        for name, config in configs.items():
            with tempfile.TemporaryDirectory() as folder:
                for case, ours, theirs in run(config, folder, generator):
                    compare(f"{kind}, {name}, {case}", ours, theirs)
    with tempfile.TemporaryDirectory() as folder:
        tokens(Path(__file__).parent / "testdata" / "spiece.model", Path(folder))


if __name__ == "__main__":
    main()
