"""Trains spiece.model, the vocabulary of the tiny text encoder; needs the sentencepiece package.

  python train.py    in this folder

Pads, ends and unknown text have the ids of T5. The table of normalizations is rules.tsv, since T5's own is 240 KB.
"""
import io
from pathlib import Path

import sentencepiece

SIZES, COLOURS, SHAPES = ("small", "big", "tiny", "huge"), ("red", "green", "blue", "café-brown"), ("circle", "square", "star", "fish")
MOTIONS, PLACES = ("moving right", "falling slowly", "growing", "bouncing"), ("on a black background", "in the sea", "at night...")

sentences = [f"A {a} {b} {c} {d} {e}." for a in SIZES for b in COLOURS for c in SHAPES for d in MOTIONS for e in PLACES]
# Written here, because the trainer would note where it wrote the file.
model = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(sentences), model_writer=model, vocab_size=66, model_type="unigram",
    normalization_rule_tsv="rules.tsv", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1)
Path("spiece.model").write_bytes(model.getvalue())
