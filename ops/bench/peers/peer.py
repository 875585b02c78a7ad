"""A sampling run in PyTorch beside Longtake's: `longtake bench step --peer` starts this and has both take turns.

Reads a task (a JSON file, see `main`), loads and prints one line when it is ready. Each line `run` on standard input is one
sampling run, answered by a line of JSON: {"seconds": of all steps, "peak_bytes": most resident memory of this process so far}. The
final latents are written to the task's output. Ends when standard input does. What goes wrong is one line {"error": "..."}.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

TIMESTEPS = 1000
DTYPES = {"f32": "float32", "bf16": "bfloat16"}


def say(**message):
    print(json.dumps(message), flush=True)


def peak_bytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return None


class Run:
    """Rectified flow with guidance: two rows, the prompt's first."""

    def __init__(self, task, dtype, is_compiled, sequence):
        config = json.loads(Path(task["model"], "config.json").read_text())
        weights = tensors.read_model(task["model"])
        # Frequencies are never rounded: angles are products of them.
        weights = {name: each if name == "rope.freqs" else each.to(dtype) for name, each in weights.items()}
        with torch.device("meta"):
            self.model = Stdit3(config).eval()
        self.model.load_state_dict(weights, assign=True)
        inputs = tensors.read(task["inputs"])
        self.start = inputs["latents"]
        prompt = inputs["prompt"].to(dtype)
        null = weights["y_embedder.y_embedding"][: prompt.shape[0]]
        self.keys_values = self.model.prepare(torch.stack([prompt, null]))
        self.task = task
        height, width = self.start.shape[-2:]
        _, patch_rows, patch_columns = config["patch_size"]
        self.sequence = sequence(self.start.shape[2], -(-height // patch_rows) * -(-width // patch_columns))
        self.predict = torch.compile(self.model, dynamic=False) if is_compiled else self.model

    def sample(self):
        steps = self.task["steps"]
        fps = torch.full((2,), float(self.task["fps"]))
        size = (self.task["height"], self.task["width"])
        channels = self.start.shape[1]
        times = [(1 - step / steps) * TIMESTEPS for step in range(steps)] + [0.0]
        latents = self.start[:, :, self.sequence.frames].clone()
        for now, later in zip(times, times[1:]):
            both = latents.expand(2, -1, -1, -1, -1)
            timestep = torch.full((2,), now)
            prediction = self.predict(both, timestep, fps, size, self.keys_values, self.sequence)
            prompt, null = prediction[:, :channels].chunk(2)
            velocity = torch.lerp(null, prompt, self.task["guidance"])
            latents.add_(velocity, alpha=(now - later) / TIMESTEPS)
        return latents


def main():
    parser = argparse.ArgumentParser(description="One sampling run for each line 'run' on standard input.")
    parser.add_argument("task", help="JSON: model, a folder; inputs, safetensors with latents [1, channels, frames, height,"
        " width] and prompt [tokens, channels]; steps; guidance; fps; height and width in pixels; output, a file")
    parser.add_argument("--dtype", choices=DTYPES, default="f32")
    parser.add_argument("--compile", action="store_true", help="by torch.compile, which needs a C++ compiler")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ranks", type=int, default=1, help="processes that share the sequence over gloo")
    parser.add_argument("--rank", type=int, default=0, help="of this process; the first starts the others")
    options = parser.parse_args()
    task = json.loads(Path(options.task).read_text())
    torch.set_num_threads(options.threads)
    others = []
    if options.ranks > 1:
        meeting = Path(task["output"] + ".meeting")
        if options.rank == 0:
            meeting.unlink(missing_ok=True)
            command = [sys.executable, *sys.argv, "--rank"]
            others = [Popen([*command, str(rank)], stdin=PIPE, stdout=DEVNULL, text=True) for rank in range(1, options.ranks)]
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{meeting}", rank=options.rank, world_size=options.ranks)
    sequence = Parts if options.ranks > 1 else lambda frames, patches: Whole(frames)
    with torch.inference_mode():
        run = Run(task, getattr(torch, DTYPES[options.dtype]), options.compile, sequence)
        say(ready=f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
        for line in sys.stdin:
            for other in others:
                print(line, end="", file=other.stdin, flush=True)
            if options.ranks > 1:
                torch.distributed.barrier()
            start = time.perf_counter()
            latents = run.sample()
            if options.ranks > 1:
                torch.distributed.barrier()
            seconds = time.perf_counter() - start
            latents = run.sequence.gather(latents)
            if options.rank == 0:
                tensors.write(task["output"], "latents", latents)
            say(seconds=seconds, peak_bytes=peak_bytes())


if __name__ == "__main__":
    try:
        import torch

        import tensors
        from sequence import Parts, Whole
        from stdit3 import Stdit3

        main()
    except Exception as failure:
        say(error=f"{type(failure).__name__}: {str(failure).strip().splitlines()[0] if str(failure).strip() else ''}")
        sys.exit(1)
