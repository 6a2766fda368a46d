"""Where real recordings lie, for tests that are better with them; without them those tests are skipped."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("NWB_MTM_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
