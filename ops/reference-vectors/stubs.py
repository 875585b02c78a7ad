"""Stands in for third-party packages that public model code imports but a CPU run does not need.

Attention of xformers is replaced by its plain formula; the rest only has to be importable.
"""

import importlib.abc
import importlib.machinery
import sys
import types

import torch


class Registry:
    """As much of mmcv's registry as a decorator needs."""

    def __init__(self, name):
        self.name = name

    def register_module(self, *_args, **_kwargs):
        return lambda kind: kind


class BlockDiagonalMask:
    """Sequence b of the queries sees sequence b of the keys only; all sequences are packed into one row."""

    def __init__(self, queries, keys):
        self.queries, self.keys = list(queries), list(keys)

    @classmethod
    def from_seqlens(cls, queries, keys=None):
        return cls(queries, queries if keys is None else keys)


def attend(q, k, v):
    """softmax(q k^T / sqrt(D)) v for q [B, M, H, D] and k, v [B, N, H, D]."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    scores = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5
    return (scores.softmax(dim=-1) @ v).transpose(1, 2).contiguous()


def memory_efficient_attention(q, k, v, p=0.0, attn_bias=None):
    assert p == 0.0
    if attn_bias is None:
        return attend(q, k, v)
    assert sum(attn_bias.queries) == q.shape[1] and sum(attn_bias.keys) == k.shape[1]
    parts = zip(q.split(attn_bias.queries, 1), k.split(attn_bias.keys, 1), v.split(attn_bias.keys, 1))
    return torch.cat([attend(*part) for part in parts], dim=1)


class Names(type):
    """Class attributes of a missing class are their own names."""

    def __getattr__(cls, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return name


class Absent(torch.nn.Module, metaclass=Names):
    """A class of a missing package; nothing makes an instance of it."""


class Placeholder(types.ModuleType):
    """A module whose names are all the class Absent."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, roots):
        self.roots = roots

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.roots:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = Placeholder(spec.name)
        if spec.name == "mmcv":
            module.Registry = Registry
        if spec.name == "xformers":
            module.ops = Placeholder("xformers.ops")
            module.ops.fmha = types.SimpleNamespace(BlockDiagonalMask=BlockDiagonalMask)
            module.ops.memory_efficient_attention = memory_efficient_attention
            sys.modules["xformers.ops"] = module.ops
        return module

    def exec_module(self, module):
        return None


def install(*roots):
    sys.meta_path.insert(0, Finder(roots))


def package(name, folder):
    """A package whose __init__ is not run, because it imports the project's training code."""
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module
