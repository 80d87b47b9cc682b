"""Where promtool is: STAMPEDE_PROMTOOL, what scripts/install_deps.sh --promtool brings, or PATH."""

import os
import shutil
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent


def promtool():
    """Its path, or None."""
    own = PROJECT / "build" / "packages" / "promtool"
    return os.environ.get("STAMPEDE_PROMTOOL") or (
        str(own) if own.is_file() else shutil.which("promtool"))
