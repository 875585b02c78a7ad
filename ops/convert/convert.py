"""Converts a published T5 encoder and a published image autoencoder for a Longtake model folder; see README.md."""
import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from errors import ConversionError
from export import export_decoder, export_text_encoder
from t5 import load_t5
from tokenizer import convert_tokenizer
from vae import index_entries, load_vae
from weights import read_json

INDEX = "model_index.json"


def convert_text_encoder(encoder, source, tokenizer, out):
    """Writes the folder text_encoder; returns its entry of the index."""
    folder = out / "text_encoder"
    folder.mkdir(parents=True, exist_ok=True)
    convert_tokenizer([tokenizer] if tokenizer else [source, source.parent / "tokenizer"], folder / "tokenizer.json")
    shutil.copyfile(source / "config.json", folder / "config.json")
    export_text_encoder(encoder, folder / "model.onnx")
    return {"text_encoder": {
        "class": "T5EncoderModel", "config": "text_encoder/config.json", "tokenizer": "text_encoder/tokenizer.json",
        "onnx": "text_encoder/model.onnx"}}


def convert_vae(decoder, config, source, out):
    """Writes the folder vae; returns its entries of the index."""
    folder = out / "vae"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "config.json", folder / "config.json")
    export_decoder(decoder, config["latent_channels"], folder / "decoder.onnx")
    part = {"class": "AutoencoderKL", "config": "vae/config.json", "decoder_onnx": "vae/decoder.onnx"}
    return {"vae": part} | index_entries(config)


def open_index(out):
    """The index of the model folder as it is, or an empty one."""
    if not (out / INDEX).exists():
        return {}
    index = read_json(out / INDEX)
    if "_class_name" in index:
        raise ConversionError(f"Expected a Longtake model folder or a new one at {out}, but it is one of diffusers; name another as --out")
    return index


def write_index(out, index):
    """Replaces the index at once, so that a worker never reads half of it."""
    new = out / (INDEX + ".new")
    new.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    os.replace(new, out / INDEX)


def arguments():
    parser = argparse.ArgumentParser(prog="longtake-convert", description=__doc__)
    parser.add_argument("--text-encoder", type=Path, metavar="DIR", help="a T5EncoderModel folder of transformers")
    parser.add_argument("--tokenizer", type=Path, metavar="DIR",
                        help="has tokenizer.json or spiece.model (the text encoder's folder, or tokenizer beside it)")
    parser.add_argument("--vae", type=Path, metavar="DIR", help="an AutoencoderKL folder of diffusers")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True,
                        help="the model folder; its model_index.json keeps what is not about these parts")
    args = parser.parse_args()
    if not args.text_encoder and not args.vae:
        parser.error("name a --text-encoder, a --vae or both")
    return args


def main():
    args = arguments()
    try:
        # All is read before the first export, which takes long.
        index = open_index(args.out)
        encoder = load_t5(args.text_encoder) if args.text_encoder else None
        decoder = load_vae(args.vae) if args.vae else None
        if encoder:
            index |= convert_text_encoder(encoder, args.text_encoder, args.tokenizer, args.out)
        if decoder:
            index |= convert_vae(*decoder, args.vae, args.out)
        write_index(args.out, index)
    except ConversionError as e:
        sys.exit(f"longtake-convert: {e}")


if __name__ == "__main__":
    main()
