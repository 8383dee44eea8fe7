"""What the networks that the training scripts build and write have in common."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def residual_block(inputs: int, outputs: int, stride: int = 1) -> Any:
    """A convolution of 3 x 3, normalised, added to what came in where the shapes agree."""
    import torch
    from torch import nn

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.norm = nn.BatchNorm2d(outputs)
            self.adds = inputs == outputs and stride == 1

        def forward(self, x: Any) -> Any:
            y = self.norm(self.conv(x))
            return torch.relu(x + y if self.adds else y)

    return Block()


def write_onnx(network: Any, shape: Sequence[int], axes: Mapping[str, Mapping[int, str]], path: Path) -> None:
    """Write a network of one input and one output as ONNX, its weights in half precision.

    Args:
        network: What to write.
        shape: Of an input.
        axes: Names of the input and of the output, in this order, and of their axes whose lengths may differ.
        path: The file.
    """
    import torch

    from placecell.perception.export import half_weights

    taken, given = axes
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(tuple(shape)),),
            str(path),
            input_names=[taken],
            output_names=[given],
            dynamic_axes={name: dict(lengths) for name, lengths in axes.items()},
            opset_version=17,
            dynamo=False,
        )
    half_weights(path)
