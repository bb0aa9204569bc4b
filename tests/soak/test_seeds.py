"""Seeds hold: 82 hashes of noise. `make golden` holds them over a matrix of Pythons and NumPys."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

HERE = Path(__file__).parent


def test_the_hashes_of_noise_are_what_they_were():
    golden = runpy.run_path(str(HERE / "golden.py"))
    assert golden["hashes"]() == (recorded := json.loads((HERE / "golden.json").read_text()))
    assert len(recorded) == 82
