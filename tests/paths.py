"""Where tests find files: the checkout, its golden files and the shared sample data beside the checkout."""

import pathlib

ROOT = pathlib.Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
DATA = ROOT / "tests" / "data"
SHARED_DATA = ROOT.parent / "shared" / "data"
"""Sample files in the authors' format; absent from a plain clone, where tests that need them are skipped."""
