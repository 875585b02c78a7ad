"""Writes one reference case: weights, inputs, outputs, configuration and manifest.

A case runs public model code on the CPU three times: in float32 (the recorded numbers), with everything in float64, and
in float64 with the sinusoid tables the float32 code computes. The differences go into the manifest.
"""

import contextlib
import json
import pathlib

import numpy
import safetensors.torch
import torch

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

SINGLE = torch.float32  # the name itself is replaced in lifted()
DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.int32: "I32", torch.bool: "BOOL"}
TABLES = ("pos_embed", "temp_embed")  # computed position tables keep their values


@contextlib.contextmanager
def lifted():
    """Turns every float32 cast and default of the code that runs inside into float64."""
    saved = torch.Tensor.float, torch.float32, numpy.float32
    torch.Tensor.float, torch.float32, numpy.float32 = torch.Tensor.double, torch.float64, numpy.float64
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.Tensor.float, torch.float32, numpy.float32 = saved
        torch.set_default_dtype(torch.float32)


def draw_weights(model, seed):
    """Random weights for every tensor of the state dict; none is zero or constant."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, value in sorted(model.state_dict().items()):
        if name.split(".")[-1] in TABLES:
            weights[name] = value.clone().contiguous()
            continue
        noise = torch.randn(value.shape, generator=generator)
        norm_layer = any(part in name for part in ("norm.", "_norm.", "norm1.weight", "norm2.weight"))
        if name.endswith("bias"):
            drawn = noise * 0.2
        elif norm_layer and value.dim() == 1:
            drawn = 1 + noise * 0.2
        elif "scale_shift_table" in name:
            drawn = noise * 0.3
        elif "embedding" in name and value.dim() == 2 and "linear" not in name:
            drawn = noise * 0.7
        else:
            drawn = noise / max(1, value[0].numel()) ** 0.5
        assert drawn.numel() > 1 and drawn.std() > 0, name
        weights[name] = drawn.contiguous()
    return weights


def record(model, hooks, call, inputs):
    """Runs call(model, inputs) and returns the output and what the hooks saw, first call of each module only."""
    seen, handles = {}, []
    for name, module, pick in hooks(model):

        def keep(_module, args, kwargs, output, name=name, pick=pick):
            if name not in seen:
                seen[name] = pick(args, kwargs, output).detach().clone()

        handles.append(module.register_forward_hook(keep, with_kwargs=True))
    with torch.no_grad():
        seen["output"] = call(model, inputs).detach().clone()
    for handle in handles:
        handle.remove()
    return {name: value.contiguous() for name, value in seen.items()}


def cast_inputs_of(model, names):
    """Makes the named layers take their own dtype: only needed for float64 layers behind float32 sinusoids."""
    for name in names:
        layer = model.get_submodule(name)
        layer.register_forward_pre_hook(lambda m, args: (args[0].to(next(m.parameters()).dtype),) + args[1:])


def double(inputs):
    return {k: v.double() if v.dtype == SINGLE else v for k, v in inputs.items()}


def difference(single, exact):
    single, exact = single.double(), exact.double()
    error = (single - exact).abs().max().item()
    return {
        "max_abs": float(f"{error:.2g}"),
        "max_rel": float(f"{error / max(exact.abs().max().item(), 1e-300):.2g}"),
        "l2_rel": float(f"{((single - exact).norm() / exact.norm().clamp_min(1e-300)).item():.2g}"),
    }


def describe(name, value, meaning, errors=None):
    entry = {"name": name, "shape": list(value.shape), "dtype": DTYPES[value.dtype], "meaning": meaning}
    if errors is not None:
        entry["max_abs"] = float(f"{value.double().abs().max().item():.6g}")
        entry.update(errors)
    return entry


def weight_meaning(name, value):
    if name.split(".")[-1] in TABLES:
        return "computed position table"
    if name.endswith("bias"):
        return "bias"
    if value.dim() == 4:
        return "convolution weight [out, in / groups, rows, columns]"
    if "scale_shift_table" in name:
        return "modulation table"
    if "embedding" in name and value.dim() == 2 and "linear" not in name:
        return "table, one row per entry"
    return "linear weight [out, in]" if value.dim() == 2 else "scale of a normalisation"


def save(folder, config, manifest, weights, inputs, outputs):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, tensors in (("weights", weights), ("inputs", inputs), ("outputs", outputs)):
        if tensors:
            tensors = {name: value.clone().contiguous() for name, value in tensors.items()}
            safetensors.torch.save_file(tensors, folder / f"{kind}.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    tables = manifest.pop("tensors")
    head = json.dumps(manifest, indent=1)[:-2]
    parts = []
    for group, entries in tables.items():
        lines = ",\n".join("   " + json.dumps(entry) for entry in entries)
        parts.append(f'  "{group}": [\n{lines}\n  ]')
    (folder / "manifest.json").write_text(head + ',\n "tensors": {\n' + ",\n".join(parts) + "\n }\n}\n")


def model_case(out, case, seed, config, source, build, runs, meanings, notes, cast=(), substituted=()):
    """Computes and writes one model case.

    build(override) makes a fresh model; runs maps a run name to a dict with description, inputs, call, hooks and optionally
    override, scalars, source, full. notes are the semantic differences worth knowing; cast names layers fed with sinusoids.
    """
    base = build({})
    weights = draw_weights(base, seed)
    inputs, outputs, entries, run_entries = {}, {}, [], {}
    for run, spec in runs.items():
        override = spec.get("override", {})

        def fresh():
            model = build(override).eval()
            report = model.load_state_dict(weights, strict=False)
            assert not report.missing_keys, report.missing_keys
            assert override or not report.unexpected_keys, report.unexpected_keys
            return model

        single = record(fresh(), spec["hooks"], spec["call"], spec["inputs"])
        again = record(fresh(), spec["hooks"], spec["call"], spec["inputs"])
        assert all(torch.equal(single[k], again[k]) for k in single), "not repeatable"
        with lifted():
            model = fresh().double()
            exact = record(model, spec["hooks"], spec["call"], double(spec["inputs"]))
        model = fresh().double()
        cast_inputs_of(model, cast)
        tables = record(model, spec["hooks"], spec["call"], double(spec["inputs"]))
        for name, value in sorted(spec["inputs"].items()):
            inputs[f"{run}/{name}"] = value.contiguous()
        for name, value in sorted(single.items()):
            assert value.dtype == torch.float32 and torch.isfinite(value).all(), name
            errors = {
                "float32_vs_float64": {
                    "all_float64": difference(value, exact[name]),
                    "float64_with_float32_sinusoids": difference(value, tables[name]),
                }
            }
            outputs[f"{run}/{name}"] = value
            entries.append(describe(f"{run}/{name}", value, meanings.get(name) or MEANINGS[name], errors))
            if name == "output":
                e = errors["float32_vs_float64"]
                print(f"{case}/{run} {list(value.shape)} max {value.abs().max():.3g}"
                      f" f64 {e['all_float64']['max_rel']:.1e}"
                      f" same sinusoids {e['float64_with_float32_sinusoids']['max_rel']:.1e}")
        run_entries[run] = {
            "description": spec["description"],
            "scalars": {**spec.get("scalars", {}), **({"config_override": override} if override else {})},
            "source": spec.get("source", source),
            "full_intermediates": spec.get("full", True),
            "inputs": sorted(spec["inputs"]),
            "outputs": sorted(single),
        }
    manifest = {
        "case": case,
        "seed": seed,
        "notes": list(notes),
        "substituted": list(substituted),
        "versions": {"torch": torch.__version__, "numpy": numpy.__version__},
        "runs": run_entries,
        "tensors": {
            "weights": [describe(n, v, weight_meaning(n, v)) for n, v in sorted(weights.items())],
            "inputs": [describe(n, v, meanings.get(n.split("/")[1]) or MEANINGS[n.split("/")[1]])
                       for n, v in sorted(inputs.items())],
            "outputs": sorted(entries, key=lambda e: e["name"]),
        },
    }
    save(pathlib.Path(out) / case, {**config, "source": source}, manifest, weights, inputs, outputs)
    read_back = safetensors.torch.load_file(pathlib.Path(out) / case / "weights.safetensors")
    assert all(torch.equal(read_back[k], v) for k, v in weights.items())


MEANINGS = {
    "x": "latent input [B, C, H, W] of an image",
    "t": "diffusion timestep per row",
    "timestep": "diffusion timestep per row, 0..1000",
    "y": "conditioning: class index, or caption embeddings",
    "mask": "text mask [rows, L], 1 = token used",
    "data_info.hw": "pixel height and width per row [B, 2]",
    "data_info.ar": "aspect ratio per row [B, 1]",
    "output": "FINAL model output",
    "patch_embed": "after the patch projection, before position embedding",
    "x_embed": "tokens entering the first block (patch + position embedding)",
    "t_emb": "timestep MLP output",
    "t_mlp": "modulation vectors of the block stack, before the table is added",
    "cond": "conditioning vector of the blocks, before SiLU",
    "y_emb": "embedded class",
    "y_proj": "caption after its projection",
    "csize_emb": "size embedding",
    "ar_emb": "aspect-ratio embedding",
    "final_layer": "final layer output before unpatchify",
    "pos_embed": "position table used by the run",
}
for _block in range(4):
    for _kind in ("blocks", "temporal_blocks"):
        MEANINGS.update({
            f"{_kind}.{_block}.attn_in": "input of the self-attention (normalised and modulated), in its own layout",
            f"{_kind}.{_block}.attn_out": "output of the self-attention, before the gate",
            f"{_kind}.{_block}.cross_attn_out": "output of the cross attention, before the residual",
            f"{_kind}.{_block}.mlp_out": "MLP output before the gate",
            f"{_kind}.{_block}.modulation": "modulation vectors before splitting",
            f"{_kind}.{_block}.in": "input of that block",
            f"{_kind}.{_block}.out": "residual stream after that block",
        })


def first(args, _kwargs, _output):
    return args[0]


def result(_args, _kwargs, output):
    return output


def result_of(index):
    return lambda _args, _kwargs, output: output[index]


def flat(_args, _kwargs, output):
    """[B, C, H, W] of a convolution as tokens [B, H * W, C]."""
    return output.flatten(2).transpose(1, 2)
