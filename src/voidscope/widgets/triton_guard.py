"""Keep triton out of a process whose OpenGL is Mesa's.

PyPI's CUDA build of torch brings triton, which carries an LLVM of its own. Mesa (software rendering, AMD, Intel)
has loaded another LLVM by the time a viewer is open; importing triton then ends the process with a segmentation
fault. Nothing here needs triton, but segmentation-models-pytorch reaches it through timm and torch's compiler.
"""

from __future__ import annotations

import sys
from pathlib import Path

MAPS = Path("/proc/self/maps")
"""Libraries of this process, on Linux."""


def keep_triton_out(maps: Path = MAPS) -> bool:
    """Make `import triton` fail cleanly if it would crash; returns whether it does. Torch then goes without it."""
    if "triton" not in sys.modules and _mesa_has_llvm(maps):
        sys.modules["triton"] = None  # type: ignore[assignment]
    return sys.modules.get("triton", maps) is None


def _mesa_has_llvm(maps: Path) -> bool:
    try:
        return "libLLVM" in maps.read_text(errors="replace")
    except OSError:  # not Linux
        return False
