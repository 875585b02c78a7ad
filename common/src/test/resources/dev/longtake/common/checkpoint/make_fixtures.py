"""Writes the PyTorch files beside it: python make_fixtures.py (made with PyTorch 2.13.0)."""

import argparse
import collections
import os
import pathlib
import zipfile

import torch

HERE = pathlib.Path(__file__).parent


class Caller:
    """What unpickling runs, with a pickle that calls a function."""

    def __reduce__(self):
        return os.system, ("touch pwned",)


def save(name, value, **options):
    torch.save(value, HERE / name, **options)


def rewrite(name, source, method=zipfile.ZIP_STORED, replaced=None):
    """Copies an archive with another compression or other entries."""
    with zipfile.ZipFile(HERE / source) as old, zipfile.ZipFile(HERE / name, "w", method) as new:
        for entry in old.namelist():
            short = entry.split("/", 1)[1]
            new.writestr(entry, (replaced or {}).get(short, old.read(entry)))


def types():
    matrix = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    return {
        "double": torch.tensor([1.5, -2.0], dtype=torch.float64),
        "float": matrix,
        "brain": torch.tensor([1.0, -3.0], dtype=torch.bfloat16),
        "half": torch.tensor([0.5, 65504.0], dtype=torch.float16),
        "long": torch.tensor([-1, 2**40]),
        "int": torch.tensor([7], dtype=torch.int32),
        "short": torch.tensor([-7], dtype=torch.int16),
        "char": torch.tensor([-8], dtype=torch.int8),
        "byte": torch.tensor([200], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(4.0),
        "empty": torch.zeros(0, 5),
        "transposed": matrix.t(),
        "second row": matrix[1],
        "second column": matrix[:, 1],
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "step": 3,
    }


def training():
    def wrapped(value):
        names = ("module.x.weight", "module.x.bias")
        return collections.OrderedDict((name, torch.full((2,), value)) for name in names)

    return {
        "model": wrapped(1.0),
        "ema": wrapped(2.0),
        "opt": {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
        "args": argparse.Namespace(model="DiT-XL/2", image_size=256, big=2**70, nested=[(1, None, True)]),
    }


save("types.pt", types())
save("protocol4.pth", types(), pickle_protocol=4)
save("training.pt", training())
save("state_dict.pth", {"state_dict": {"x": torch.ones(1)}, "epoch": 1})
save("module.bin", torch.nn.Linear(2, 3).requires_grad_(False).state_dict())
save("calls.pt", {"x": torch.ones(1), "y": Caller()})
save("whole_module.pt", torch.nn.Linear(2, 3))
save("expanded.pt", {"x": torch.ones(1, 2).expand(1000000000, 2)})
save("nothing.pt", {"epoch": 1, "args": argparse.Namespace()})
save("before_1_6.pt", {"x": torch.ones(1)}, _use_new_zipfile_serialization=False)
rewrite("compressed.pt", "state_dict.pth", zipfile.ZIP_DEFLATED)
rewrite("big_endian.pt", "state_dict.pth", replaced={"byteorder": b"big"})
