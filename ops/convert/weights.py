"""Published weights, read without holding them in memory twice: safetensors and PyTorch files, whole or in shards."""
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from errors import ConversionError

# In order of preference: the names that transformers and diffusers save under.
NAMES = ("model.safetensors", "diffusion_pytorch_model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.bin")


def read_json(path):
    """A JSON object from a file."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ConversionError(f"Expected a JSON file at {path}, but reading it gives: {e}; fetch the file again") from e
    if not isinstance(value, dict):
        raise ConversionError(f"Expected a JSON object in {path}, but it is a {type(value).__name__}; fetch the file again")
    return value


def read_weights(folder):
    """All tensors of a folder by name, mapped from its files where the format allows."""
    folder = Path(folder)
    for name in NAMES:
        if (folder / name).is_file():
            return _read_file(folder / name)
        if (folder / f"{name}.index.json").is_file():
            return _read_shards(folder / f"{name}.index.json")
    raise ConversionError(f"Expected {', '.join(NAMES)} or the index of one in {folder}, but it has none; check the path")


def _read_shards(index):
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict):
        raise ConversionError(f"Expected a weight_map in {index}, but it has none; fetch the file again")
    tensors = {}
    for shard in sorted(set(places.values())):
        if Path(shard).name != shard:
            raise ConversionError(f"Expected shards beside {index}, but it names {shard}; don't use files from there")
        tensors.update(_read_file(index.parent / shard))
    missing = sorted(set(places) - set(tensors))
    if missing:
        raise ConversionError(f"Expected all tensors of {index} in its shards, but {missing[0]} is in none; fetch them again")
    return tensors


def _read_file(path):
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Only tensors and plain containers: a pickle from elsewhere must not run code.
        return torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as e:  # each format has its own exceptions
        raise ConversionError(f"Expected weights in {path}, but reading them gives: {e}; fetch the file again") from e


def fill(module, tensors, source):
    """Puts tensors, in float32, into a module that was made on the meta device; names and shapes must be its own."""
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for name in sorted(wanted.keys() | tensors.keys()):
        found = tuple(tensors[name].shape) if name in tensors else "missing"
        if name not in wanted:
            raise ConversionError(f"Expected no tensor {name} in {source}, but there is one; its architecture is another")
        if found != wanted[name]:
            raise ConversionError(f"Expected {name} {wanted[name]} in {source}, but it is {found}; check its config.json")
    module.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
    return module.requires_grad_(False).eval()
