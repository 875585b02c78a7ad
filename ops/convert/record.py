"""Records what PyTorch and SentencePiece give for the tiny model of tiny.py, for the workers to be compared with.

  python record.py TINY FILE    needs the sentencepiece package
"""
import sys
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file

from t5 import load_t5
from tiny import MAX_TOKENS
from vae import index_entries, load_vae

PROMPTS = {
    "short": "red",
    "usual": "A big red circle moving right on a black background.",
    "spaces": "  a \t tiny\n\ngreen   fish  ",
    "normalized": "\uff21 caf\u00e9-brown cafe\u0301\u00a0\ufb01sh at\u3000night\u2026",
    "unknown": "\u65e5\u672c fish \U0001f680\U0001f680 QZ",
    "long": "A huge star bouncing in the sea at night... A small blue square falling slowly.",
}
SIZES = {"square": (4, 4), "wide": (3, 7), "pixel": (1, 1)}


def record_text(encoder, spiece):
    """Without padding, which must make no difference."""
    for name, prompt in PROMPTS.items():
        ids = torch.tensor([spiece.encode(prompt) + [spiece.eos_id()]])
        if ids.shape[1] > MAX_TOKENS:
            raise ValueError(f"Expected at most {MAX_TOKENS} tokens, but {prompt!r} has {ids.shape[1]}")
        yield f"{name}.ids", ids[0]
        yield f"{name}.embedding", encoder(ids, torch.ones_like(ids))[0]


def record_frames(decoder, config):
    """From latents as a sampler leaves them."""
    generator = torch.Generator().manual_seed(5)
    entries = index_entries(config)
    scale, shift = (torch.tensor(entries[key])[:, None, None] for key in ("scale", "shift"))
    for name, size in SIZES.items():
        latents = torch.randn(config["latent_channels"], *size, generator=generator)
        yield f"{name}.latents", latents
        yield f"{name}.frame", decoder((latents * scale + shift)[None])[0]


@torch.no_grad()
def main():
    tiny, file = Path(sys.argv[1]), sys.argv[2]
    spiece = sentencepiece.SentencePieceProcessor(model_file=str(tiny / "tokenizer" / "spiece.model"))
    tensors = dict(record_text(load_t5(tiny / "text_encoder"), spiece)) | dict(record_frames(*load_vae(tiny / "vae")))
    save_file({name: value.contiguous() for name, value in tensors.items()}, file, metadata=PROMPTS)


if __name__ == "__main__":
    main()
