"""Reads and writes safetensors files with nothing but PyTorch: https://github.com/huggingface/safetensors#format."""

import ctypes
import json
import struct
from pathlib import Path

import torch

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "I64": torch.int64, "BOOL": torch.bool}


def read(path):
    """All tensors of a file by name, one after another, so that none is in memory twice for long."""
    with open(path, "rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(header_bytes))
        tensors = {}
        for name, entry in header.items():
            if name != "__metadata__":
                start, end = entry["data_offsets"]
                file.seek(8 + header_bytes + start)
                content = bytearray(file.read(end - start))
                flat = torch.frombuffer(content, dtype=DTYPES[entry["dtype"]])
                # Memory of PyTorch's own is aligned as its kernels like it.
                tensors[name] = flat.view(entry["shape"]).clone()
    return tensors


def read_model(folder):
    """All tensors of a folder: of `model.safetensors`, or of the files that the index names."""
    folder = Path(folder)
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return read(folder / "model.safetensors")
    tensors = {}
    for file in sorted(set(json.loads(index.read_text())["weight_map"].values())):
        tensors |= read(folder / file)
    return tensors


def write(path, name, tensor):
    """Writes a tensor as float32."""
    dense = tensor.float().contiguous()
    size = dense.numel() * dense.element_size()
    header = json.dumps({name: {"dtype": "F32", "shape": list(dense.shape), "data_offsets": [0, size]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + ctypes.string_at(dense.data_ptr(), size))
