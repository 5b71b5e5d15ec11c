"""What tests of several rooms need. Everything is offline."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # tests run beside other work; spinning threads would crawl

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data beside the checkout (or DISDEPTH_TEST_DATA); the test skips where it is missing."""
    folder = Path(os.environ.get("DISDEPTH_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is not at {folder} (set DISDEPTH_TEST_DATA)")
    return folder
