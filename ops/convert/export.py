"""PyTorch modules as ONNX files with the inputs that the workers give."""
import logging
import warnings

import torch
from torch.export import Dim

OPSET = 18
# Protocol buffers end at 2 GiB; the graph itself needs some of that.
INLINE_BYTES = 1800 << 20


def export_text_encoder(encoder, target):
    """input_ids and attention_mask, int64 [batch, tokens], to last_hidden_state."""
    # Two tensors: the exporter takes one that is given twice for one input.
    example = {name: torch.ones(2, 7, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    _export(encoder, example, {0: Dim("batch"), 1: Dim("tokens")}, "last_hidden_state", target)


def export_decoder(decoder, latent_channels, target):
    """latent_sample, float32 [batch, channels, height, width], to sample."""
    example = {"latent_sample": torch.zeros(2, latent_channels, 6, 5)}
    _export(decoder, example, {0: Dim("batch"), 2: Dim("height"), 3: Dim("width")}, "sample", target)


def _export(module, inputs, axes, output, target):
    # What it warns of is its own: packages that are not needed, names of equal axes.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        program = torch.onnx.export(
            module, kwargs=inputs, input_names=list(inputs), output_names=[output],
            dynamic_shapes=dict.fromkeys(inputs, axes), opset_version=OPSET, dynamo=True, verbose=False)
    # The exporter notes for every node where in which file it was called: nobody needs that, and it names folders.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    size = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    program.save(target, external_data=size > INLINE_BYTES)
