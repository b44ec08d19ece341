"""Make the golden values: `make_goldens.py --out DIR`; or make them anew and compare: `make_goldens.py --check DIR`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402

from pickup_export import compare, reference  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="folder to make them in; what it makes is replaced")
    where.add_argument("--check", type=Path, help="folder to compare with")
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    if arguments.out:
        for folder in {*arguments.out.glob("tiny_*"), *(arguments.out / family.NAME for family in reference.FAMILIES)}:
            shutil.rmtree(folder, ignore_errors=True)
        reference.make(arguments.out)
        return 0
    with tempfile.TemporaryDirectory() as made:
        reference.make(Path(made))
        return 0 if compare.check(Path(made), arguments.check) else 1


if __name__ == "__main__":
    sys.exit(main())
