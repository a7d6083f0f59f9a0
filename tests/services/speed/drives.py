"""Where the recorded drives are, and the model that is served."""

from pathlib import Path

import pytest

from tests.services.speed.models import FOLDER

ROOT = Path(__file__).parents[3]
MODEL = FOLDER
DRIVES = ROOT.parent / "shared" / "data" / "speed"

needs_drives = pytest.mark.skipif(not DRIVES.is_dir(), reason=f"no recorded drives in {DRIVES}")
