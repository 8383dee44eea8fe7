"""A network from an ONNX file, run on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from placecell.errors import ModelUnavailableError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["open_network"]


def open_network(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """The network of a file.

    Args:
        path: The ONNX file.
        threads: That it may run on; 0 for as many as there are cores.

    Raises:
        ModelUnavailableError: If it is not there or does not load.
    """
    import onnxruntime  # 0.2 s: only who runs a network pays for it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # Threads that spin while they wait take a third more processor time, and win nothing on a busy machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a type of its own per cause, none of them public
        first = str(error).strip().splitlines()[0]
        raise ModelUnavailableError(f"{path} does not load; export or fetch it again ({first})") from error
