"""Reference cases of samplers: DPM-Solver++ and DDIM of public projects, on an analytic network.

Usage: samplers.py --diffusers CHECKOUT --pixart-alpha CHECKOUT --pixart-sigma CHECKOUT --dit CHECKOUT
  --commits diffusers=HASH,pixart-alpha=HASH,pixart-sigma=HASH,dit=HASH --out FOLDER

The network predicts the noise of data with mean mu and variance 0.3 plus a small ripple; a test does not need it, because
every guided prediction is recorded.
"""

import argparse
import importlib.util
import math
import pathlib
import sys
import types

import numpy
import torch

import stubs
from refcase import SINGLE, describe, difference, lifted, save

stubs.install("torchvision")

SHAPE = (1, 4, 4, 6)
BETAS = {"num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}
ALPHA_BAR = numpy.cumprod(1 - numpy.linspace(0.0001, 0.02, 1000, dtype=numpy.float64))
MEANINGS = {
    "z_start": "latent at the first step",
    "z_in": "latent fed to the model at each step",
    "z_out": "latent after each step",
    "final": "FINAL sample",
    "guided_eps": "guided noise prediction given to the sampler at each step",
    "eps_cond": "conditional noise prediction at each step",
    "eps_uncond": "unconditional noise prediction at each step",
    "model_out_step0": "raw model output of the first step, both guidance branches, the second half of the channels belongs to"
    " the variance",
    "timesteps": "timestep fed to the model at each step",
    "orders": "order of the solver at each step",
    "table.time": "continuous time of each node, steps + 1 values",
    "table.alpha": "signal scale of each node",
    "table.sigma": "noise scale of each node",
    "table.sigmas": "sigma / alpha of each node",
    "table.lambda": "log(alpha / sigma) of each node",
    "table.alphas_cumprod": "cumulative product of each step's timestep",
    "table.alphas_cumprod_prev": "the one it steps to",
}


def load(path, name):
    """A fresh copy of a module, so that default arguments follow the lifted types."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Network:
    """Noise prediction and a variance half, deterministic in z and t; rows of mu choose the condition."""

    def __init__(self, seed):
        generator = torch.Generator().manual_seed(seed)
        self.mu = {k: torch.randn(SHAPE, generator=generator, dtype=SINGLE) for k in ("cond", "uncond")}
        self.outputs = []

    def __call__(self, z, t, condition):
        bar = float(numpy.interp(float(t), numpy.arange(1000), ALPHA_BAR))
        alpha, sigma = math.sqrt(bar), math.sqrt(1 - bar)
        mu = self.mu[condition].to(z.dtype)
        eps = sigma * (z - alpha * mu) / (0.3 * alpha**2 + sigma**2) + 0.05 * torch.sin(3 * z + 0.01 * float(t))
        return torch.cat([eps, torch.tanh(z)], dim=1)

    def branches(self, z, t, order):
        """Rows [z, z] under the two conditions in the given order; remembers them."""
        rows = [self(z[:1], t, c) for c in order]
        self.outputs.append(dict(zip(order, rows)))
        return torch.cat(rows)


class Result:
    """What one sampling run did."""

    def __init__(self):
        self.z_in, self.guided, self.z_out, self.tables, self.outputs = [], [], [], {}, []


def diffusers_loop(scheduler, steps, guidance, network, start, fed):
    """The denoising loop of the library's pipelines: guidance on all channels, then the variance half is dropped."""
    seen, z = Result(), start
    scheduler.set_timesteps(steps)
    for k, t in enumerate(scheduler.timesteps):
        seen.z_in.append(z)
        if fed is None:
            uncond, cond = network.branches(z, t, ("uncond", "cond")).chunk(2)
            eps = (uncond + guidance * (cond - uncond)).chunk(2, dim=1)[0]
        else:
            eps = fed[k]
        seen.guided.append(eps)
        z = scheduler.step(eps, t, z, return_dict=False)[0]
        seen.z_out.append(z)
    seen.tables["timesteps"] = scheduler.timesteps.clone()
    return seen


def dpm_of_diffusers(settings, steps, guidance):
    def run(network, start, fed):
        from diffusers import DPMSolverMultistepScheduler

        scheduler = DPMSolverMultistepScheduler(**BETAS, **settings)
        seen = diffusers_loop(scheduler, steps, guidance, network, start, fed)
        sigmas = scheduler.sigmas
        alpha, sigma = scheduler._sigma_to_alpha_sigma_t(sigmas)
        seen.tables.update({"table.sigmas": sigmas, "table.alpha": alpha, "table.sigma": sigma,
                            "table.lambda": (torch.log(alpha) - torch.log(sigma))[: steps]})
        last = steps < 15 or scheduler.config.final_sigmas_type == "zero"
        seen.tables["orders"] = torch.tensor([1] + [2] * (steps - 2) + [1 if last else 2])
        return seen

    return run


def ddim_of_diffusers(settings, steps, guidance):
    def run(network, start, fed):
        from diffusers import DDIMScheduler

        scheduler = DDIMScheduler(**BETAS, clip_sample=False, **settings)
        seen = diffusers_loop(scheduler, steps, guidance, network, start, fed)
        step = 1000 // steps
        times = [int(t) for t in scheduler.timesteps]
        seen.tables["table.alphas_cumprod"] = scheduler.alphas_cumprod[times]
        seen.tables["table.alphas_cumprod_prev"] = torch.stack(
            [scheduler.alphas_cumprod[t - step] if t >= step else scheduler.final_alpha_cumprod for t in times])
        return seen

    return run


def dpm_of_pixart(path, steps, guidance, always_lower):
    """DPMS of the project as its inference script calls it, the model returning the noise half only."""

    def run(network, start, fed):
        stubs.package("pixart", path + "/diffusion")
        stubs.package("pixart.model", path + "/diffusion/model")
        for name in ("model.diffusion_utils", "model.gaussian_diffusion", "model.dpm_solver", "dpm_solver"):
            load(f"{path}/diffusion/{name.replace('.', '/')}.py", "pixart." + name)
        seen = Result()

        def model(x, t, condition, **_kwargs):
            assert torch.equal(x[:1], x[1:])
            return network.branches(x, t[0], ("uncond", "cond")).chunk(2, dim=1)[0]

        token = torch.zeros(1, 1)
        solver = sys.modules["pixart.dpm_solver"].DPMS(model, condition=token, uncondition=token, cfg_scale=guidance)
        inner = solver.model

        def predict(x, t):
            eps = inner(x, t) if fed is None else fed[len(seen.guided)]
            seen.z_in.append(x)
            seen.guided.append(eps)
            return eps

        solver.model = predict
        _, stages = solver.sample(start, steps=steps, order=2, skip_type="time_uniform", method="multistep",
                                  return_intermediate=True)
        seen.z_out = stages[1:]
        schedule = solver.noise_schedule
        time = solver.get_time_steps("time_uniform", 1.0, 1.0 / schedule.total_N, steps, "cpu")
        alpha, sigma = schedule.marginal_alpha(time), schedule.marginal_std(time)
        lower = always_lower or steps < 10
        seen.tables = {"timesteps": ((time - 1.0 / schedule.total_N) * 1000.0)[:-1], "table.time": time,
                       "table.alpha": alpha, "table.sigma": sigma, "table.sigmas": sigma / alpha,
                       "table.lambda": schedule.marginal_lambda(time),
                       "orders": torch.tensor([1] + [2] * (steps - 2) + [1 if lower else 2])}
        return seen

    return run


def ddim_of_dit(path, steps, guidance):
    """ddim_sample_loop with 'ddimN' respacing over DiT's forward_with_cfg: guidance on the first three channels."""

    def run(network, start, fed):
        import timm  # noqa: F401, before the project's own modules

        stubs.package("ditrepo", path)
        diffusion = importlib.util.spec_from_file_location("diffusion", path + "/diffusion/__init__.py",
                                                           submodule_search_locations=[path + "/diffusion"])
        for name in [n for n in sys.modules if n == "diffusion" or n.startswith("diffusion.")]:
            del sys.modules[name]
        package = importlib.util.module_from_spec(diffusion)
        sys.modules["diffusion"] = package
        diffusion.loader.exec_module(package)
        dit = load(path + "/models.py", "ditrepo.models").DiT
        process = package.create_diffusion(f"ddim{steps}")
        seen = Result()

        def forward(x, t, y):
            return network.branches(x, t[0], ("cond", "uncond"))

        def model(x, t, **_kwargs):
            if fed is None:
                out = dit.forward_with_cfg(types.SimpleNamespace(forward=forward), x, t, None, guidance)
            else:
                eps = fed[len(seen.guided)]
                out = torch.cat([torch.cat([eps, torch.zeros_like(eps)], dim=1)] * 2)
            seen.guided.append(out[:1, :4])
            return out

        z = torch.cat([start, start])
        seen.z_in.append(start)
        for out in process.ddim_sample_loop_progressive(model, z.shape, noise=z, clip_denoised=False, device="cpu", eta=0.0):
            seen.z_out.append(out["sample"][:1])
        seen.z_in += seen.z_out[:-1]
        kept = torch.tensor(process.timestep_map).flip(0)
        seen.tables = {"timesteps": kept, "table.alphas_cumprod": torch.from_numpy(process.alphas_cumprod[::-1].copy()),
                       "table.alphas_cumprod_prev": torch.from_numpy(process.alphas_cumprod_prev[::-1].copy())}
        return seen

    return run


def sampler_case(out, case, seed, sampler, runs, notes):
    inputs, outputs, entries, run_entries = {}, {}, [], {}
    for run, spec in runs.items():
        start = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
        network = Network(seed + 1)
        single = spec["sample"](network, start, None)
        with lifted():
            exact = spec["sample"](Network(seed + 1), start.double(), None)
            fed = spec["sample"](None, start.double(), [e.double() for e in single.guided])

        def stack(seen):
            return {"z_in": torch.stack(seen.z_in), "z_out": torch.stack(seen.z_out), "final": seen.z_out[-1],
                    "guided_eps": torch.stack(seen.guided)}

        tensors, exacts, feds = stack(single), stack(exact), stack(fed)
        found = {}
        for name, value in tensors.items():
            errors = {"all_float64": difference(value, exacts[name])}
            if name != "guided_eps":
                errors["float64_fed_with_recorded_guided_eps"] = difference(value, feds[name])
            found[name] = value, {"float32_vs_float64": errors}
        for kind in ("cond", "uncond"):
            found["eps_" + kind] = torch.stack([o[kind][:, :4] for o in network.outputs]), {}
        found["model_out_step0"] = torch.cat(list(network.outputs[0].values())), {}
        for name, value in single.tables.items():
            if name.startswith("table."):
                found[name] = value, {}
                found[name.replace("table.", "table64.")] = exact.tables[name], {}
            else:
                found[name] = value, {}
        inputs[f"{run}/z_start"] = start
        for name, (value, errors) in sorted(found.items()):
            assert torch.isfinite(value).all(), name
            meaning = MEANINGS[name.replace("table64.", "table.")]
            if name.startswith("table"):
                meaning += ", as the code run in float64 computes it" if "64." in name else ", as the code computes it"
            outputs[f"{run}/{name}"] = value
            entries.append(describe(f"{run}/{name}", value, meaning, errors))
            if name == "z_out":
                print(case, run, {k: v["max_rel"] for k, v in errors["float32_vs_float64"].items()})
        scalars = {**BETAS, **spec["scalars"], "order_of_rows_in_model_out_step0": list(network.outputs[0])}
        run_entries[run] = {"description": spec["description"], "scalars": scalars, "source": spec["source"],
                            "inputs": ["z_start"], "outputs": sorted(found)}
    first = next(iter(runs.values()))["source"]
    manifest = {"case": case, "seed": seed, "notes": notes,
                "versions": {"torch": torch.__version__, "numpy": numpy.__version__}, "runs": run_entries,
                "tensors": {"inputs": [describe(n, v, MEANINGS[n.split("/")[1]]) for n, v in sorted(inputs.items())],
                            "outputs": sorted(entries, key=lambda e: e["name"])}}
    save(pathlib.Path(out) / case, {"sampler": sampler, "source": first}, manifest, {}, inputs, outputs)


def main():
    parser = argparse.ArgumentParser()
    for name in ("diffusers", "pixart-alpha", "pixart-sigma", "dit", "commits", "out"):
        parser.add_argument("--" + name, required=True)
    args = parser.parse_args()
    commits = dict(part.split("=") for part in args.commits.split(","))
    sys.path.insert(0, args.diffusers + "/src")
    import diffusers

    def source(key, repo, file, kind, revision):
        return {"repo": repo, "revision": revision, "commit": commits[key], "file": file, "class": kind}

    library = diffusers.__version__
    dpm = source("diffusers", "huggingface/diffusers", "src/diffusers/schedulers/scheduling_dpmsolver_multistep.py",
                 "DPMSolverMultistepScheduler", library)
    settings = {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint", "lower_order_final": True,
                "prediction_type": "epsilon", "timestep_spacing": "linspace", "steps_offset": 0}
    g = 4.5
    runs = {}
    for name, steps, final in (("diffusers", 20, "zero"), ("diffusers_8_steps", 8, "zero"),
                               ("diffusers_sigma_min", 20, "sigma_min")):
        chosen = {**settings, "final_sigmas_type": final}
        runs[name] = dict(
            description=f"{steps} steps, last node {'sigma 0 (the result is the last x0)' if final == 'zero' else 'timestep 0'}",
            scalars={**chosen, "steps": steps, "guidance": g}, source=dpm,
            sample=dpm_of_diffusers(chosen, steps, g))
    for name, family, steps in (("pixart", "alpha", 20), ("pixart_8_steps", "alpha", 8), ("pixart_sigma", "sigma", 20)):
        key = f"pixart-{family}"
        always = family == "sigma"
        runs[name] = dict(
            description=f"{steps} steps of the project's own solver, uniform in time from 1 to 1/1000; "
            + ("the last step is always of first order" if always else "the last step is of first order below 10 steps only"),
            scalars={"steps": steps, "guidance": g, "algorithm_type": "dpmsolver++", "solver_order": 2, "method": "multistep",
                     "skip_type": "time_uniform", "solver_type": "dpmsolver", "lower_order_final": True,
                     "lower_order_final_below_steps": None if always else 10},
            source=source(key, f"PixArt-alpha/PixArt-{family}", "diffusion/dpm_solver.py", "DPMS", "master"),
            sample=dpm_of_pixart(getattr(args, key.replace("-", "_")), steps, g, always))
    sampler_case(args.out, "sampler_dpmpp", 2601, "dpm_solver_pp", runs, [
        "x0 = (z - sigma eps) / alpha at each node; first order z' = sigma'/sigma z - alpha' (e^-h - 1) x0, h = lambda' - lambda;"
        " second order (midpoint) replaces x0 by x0 + (x0 - previous x0) / (2 r), r = (previous h) / h",
        "diffusers: integer timesteps round(linspace(0, 999, steps + 1)) from the end, the last (0) left out; alpha and sigma"
        " from sigma/alpha interpolated at the integers; betas and cumulative products in float32",
        "PixArt: nodes linspace(1, 0.001, steps + 1), log alpha interpolated linearly between t_i = (i + 1) / 1000; the model"
        " gets the fractional timestep (t - 1/1000) * 1000; cumulative sums in float64, then everything in float32",
        "guidance uncond + g (cond - uncond) on all four channels; the second half of the output channels is dropped",
        "table.* are the float32 values of the code; near t = 0 its sigma = sqrt(1 - alpha^2) has lost digits (PixArt) -"
        " table64.* are the same formulas in float64"])

    ddim = source("diffusers", "huggingface/diffusers", "src/diffusers/schedulers/scheduling_ddim.py", "DDIMScheduler", library)
    runs = {"dit": dict(
        description="respacing 'ddim20' (every 50th timestep, 0 included), guidance on the first three channels (the fourth"
        " stays conditional), eta 0, clip_denoised false",
        scalars={"steps": 20, "guidance": 4.0, "guidance_channels": 3, "eta": 0.0, "clip_denoised": False,
                 "timestep_respacing": "ddim20", "learn_sigma": True},
        source=source("dit", "facebookresearch/DiT", "diffusion/gaussian_diffusion.py", "SpacedDiffusion", "main"),
        sample=ddim_of_dit(args.dit, 20, 4.0))}
    for name, chosen in (
            ("diffusers", {"timestep_spacing": "leading", "steps_offset": 0, "set_alpha_to_one": True}),
            ("diffusers_offset", {"timestep_spacing": "leading", "steps_offset": 1, "set_alpha_to_one": False}),
            ("diffusers_trailing", {"timestep_spacing": "trailing", "steps_offset": 0, "set_alpha_to_one": True})):
        runs[name] = dict(description="guidance on all four channels, eta 0, no clipping",
                          scalars={"steps": 20, "guidance": 4.0, "guidance_channels": 4, "eta": 0.0, "clip_sample": False,
                                   "prediction_type": "epsilon", **chosen},
                          source=ddim, sample=ddim_of_diffusers(chosen, 20, 4.0))
    sampler_case(args.out, "sampler_ddim", 2651, "ddim", runs, [
        "x0 = (z - sqrt(1 - a) eps) / sqrt(a); z' = sqrt(a') x0 + sqrt(1 - a') eps",
        "dit: tables in float64 of the respaced process, values cast to float32 on use; eps is derived again from x0; the last"
        " step goes to a' = 1",
        "diffusers: float32 betas and products of the full process; the step before is timestep - 1000 // steps; below 0 it is"
        " a' = 1 (set_alpha_to_one) or the product at timestep 0"])


if __name__ == "__main__":
    main()
