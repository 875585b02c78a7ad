"""Frames and patches among processes: dynamic sequence parallelism over torch.distributed."""

import torch
import torch.distributed as dist


class Whole:
    """One process has everything and exchanges nothing."""

    def __init__(self, frames):
        self.all_frames = frames
        self.frames = slice(0, frames)

    def to_patches(self, x):
        return x

    def to_frames(self, x):
        return x

    def gather(self, latents):
        return latents


class Parts:
    """Every rank has a range of frames with all their patches, or a range of patches in all frames. Tensors [batch, frames, patches, channels]."""

    def __init__(self, frames, patches):
        ranks = dist.get_world_size()
        self.rank = dist.get_rank()
        self.frame_ranges = ranges(frames, ranks)
        self.patch_ranges = ranges(patches, ranks)
        self.all_frames = frames
        self.frames = self.frame_ranges[self.rank]

    def to_patches(self, x):
        own = self.patch_ranges[self.rank]
        parts = [x[:, :, patches] for patches in self.patch_ranges]
        shapes = [(x.shape[0], length(frames), length(own), x.shape[-1]) for frames in self.frame_ranges]
        return torch.cat(exchange(parts, shapes), 1)

    def to_frames(self, x):
        parts = [x[:, frames] for frames in self.frame_ranges]
        shapes = [(x.shape[0], length(self.frames), length(patches), x.shape[-1]) for patches in self.patch_ranges]
        return torch.cat(exchange(parts, shapes), 2)

    def gather(self, latents):
        """Latents [batch, channels, frames, height, width] of all frames, on the first rank."""
        batch, channels, _, height, width = latents.shape
        everything = [latents] + [latents[:, :, :0]] * (dist.get_world_size() - 1)
        frames = self.frame_ranges if self.rank == 0 else [slice(0, 0)] * len(self.frame_ranges)
        shapes = [(batch, channels, length(part), height, width) for part in frames]
        return torch.cat(exchange(everything, shapes), 2)


def ranges(count, parts):
    """Consecutive ranges; the first ones are one longer where it does not divide."""
    bounds = [0]
    for part in range(parts):
        bounds.append(bounds[-1] + count // parts + (part < count % parts))
    return [slice(start, end) for start, end in zip(bounds, bounds[1:])]


def length(part):
    return part.stop - part.start


def exchange(parts, shapes):
    """Sends the i-th part to rank i, and returns what rank i sent, which has the i-th shape."""
    sent = torch.cat([part.reshape(-1) for part in parts])
    counts = [torch.Size(shape).numel() for shape in shapes]
    received = sent.new_empty(sum(counts))
    dist.all_to_all_single(received, sent, counts, [part.numel() for part in parts])
    return [flat.view(shape) for flat, shape in zip(received.split(counts), shapes)]
