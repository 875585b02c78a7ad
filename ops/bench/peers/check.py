"""Compares the peer's STDiT3 with reference cases: `python3 check.py FOLDER...`, each with config.json, weights, inputs and outputs."""

import json
import sys
from pathlib import Path

import torch

import tensors
from sequence import Whole
from stdit3 import Stdit3

TOLERANCE = 3e-5


def run(model, inputs):
    """Row by row, as texts have different lengths without what their masks leave out."""
    frames = inputs["x"].shape[2]
    size = (inputs["height"][0].item(), inputs["width"][0].item())
    rows = []
    for row in range(inputs["x"].shape[0]):
        one = slice(row, row + 1)
        text = inputs["y"][one, 0]
        if "mask" in inputs:
            text = text[:, inputs["mask"][row].bool()]
        keys_values = model.prepare(text)
        generated = inputs["x_mask"][one] if "x_mask" in inputs else None
        rows.append(
            model(inputs["x"][one], inputs["timestep"][one], inputs["fps"][one], size, keys_values, Whole(frames), generated))
    return torch.cat(rows)


def main():
    worst = 0
    for folder in map(Path, sys.argv[1:]):
        model = Stdit3(json.loads((folder / "config.json").read_text())).eval()
        model.load_state_dict(tensors.read(folder / "weights.safetensors"))
        inputs = tensors.read(folder / "inputs.safetensors")
        outputs = tensors.read(folder / "outputs.safetensors")
        for name in sorted({key.split("/")[0] for key in inputs}):
            own = {key.removeprefix(name + "/"): tensor for key, tensor in inputs.items() if key.startswith(name + "/")}
            expected = outputs[name + "/output"]
            with torch.inference_mode():
                error = ((run(model, own) - expected).abs().max() / expected.abs().max()).item()
            print(folder.name, name, f"{error:.1e}", "ok" if error <= TOLERANCE else "WRONG")
            worst = max(worst, error)
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
