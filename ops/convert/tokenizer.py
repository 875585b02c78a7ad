"""T5's SentencePiece model as a tokenizer.json of Hugging Face's tokenizers, which is what the workers read.

The file format is that of https://github.com/google/sentencepiece (sentencepiece_model.proto): a protocol buffer.
"""
import base64
import json
import shutil
import struct
from pathlib import Path

from errors import ConversionError
from weights import read_json

SPACE = "\u2581"  # what SentencePiece writes for a space
UNIGRAM = 1
UNKNOWN = 2  # the type of the piece that stands for all text without pieces


def _fields(message):
    """The fields of a protocol buffer, as (number, value): an int, or bytes for everything that has a length."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        size = {1: 8, 5: 4}.get(kind)
        if size is None:
            if kind != 2:
                raise ValueError(f"field {number} has the unknown type {kind}")
            size = varint()
        if at + size > len(message):
            raise ValueError(f"field {number} ends behind the file")
        yield number, message[at:at + size]
        at += size


def _read(model):
    """Pieces as (text, score, type), and the table of the normalization."""
    pieces, charsmap, algorithm = [], b"", UNIGRAM
    for number, value in _fields(model):
        if number == 1:
            piece = dict(_fields(value))
            pieces.append((piece[1].decode(), struct.unpack("<f", piece.get(2, bytes(4)))[0], piece.get(3, 1)))
        elif number == 2:
            algorithm = dict(_fields(value)).get(3, UNIGRAM)
        elif number == 3:
            charsmap = dict(_fields(value)).get(2, b"")
    if algorithm != UNIGRAM or not pieces:
        raise ValueError(f"it has {len(pieces)} pieces and the algorithm {algorithm} instead of unigram")
    return pieces, charsmap


def _special(number, text):
    return {"id": number, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": True}


def from_sentencepiece(model, extra_ids):
    """The tokenizer of a SentencePiece model, given as bytes, with T5's span markers behind its pieces."""
    pieces, charsmap = _read(model)
    vocabulary = [[text, score] for text, score, _ in pieces]
    vocabulary += [[f"<extra_id_{i}>", 0.0] for i in reversed(range(extra_ids))]
    ids = {text: number for number, (text, _) in enumerate(vocabulary)}
    unknown = next(number for number, (_, _, kind) in enumerate(pieces) if kind == UNKNOWN)
    special = [ids["<pad>"], ids["</s>"], unknown, *range(len(pieces), len(vocabulary))]
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    one, two = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [_special(number, vocabulary[number][0]) for number in special],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()} if charsmap else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "post_processor": {
            "type": "TemplateProcessing", "single": [one, end], "pair": [one, end, two, end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [ids["</s>"]], "tokens": ["</s>"]}}},
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": unknown, "vocab": vocabulary, "byte_fallback": False}}


def convert_tokenizer(folders, target):
    """Writes the tokenizer of the first folder that has one: tokenizer.json as it is, or spiece.model converted."""
    for folder in map(Path, folders):
        if (folder / "tokenizer.json").is_file():
            shutil.copyfile(folder / "tokenizer.json", target)
            return
        model = folder / "spiece.model"
        if model.is_file():
            settings = folder / "tokenizer_config.json"
            extra_ids = read_json(settings).get("extra_ids", 100) if settings.is_file() else 100
            try:
                tokenizer = from_sentencepiece(model.read_bytes(), extra_ids)
            except (ValueError, LookupError, StopIteration, TypeError) as e:
                raise ConversionError(f"Expected T5's SentencePiece model at {model}, but {e!r}; fetch the file again") from e
            Path(target).write_text(json.dumps(tokenizer, ensure_ascii=False) + "\n", encoding="utf-8")
            return
    raise ConversionError(
        f"Expected tokenizer.json or spiece.model in {' or '.join(map(str, folders))}, but there is none; name its folder with --tokenizer")
