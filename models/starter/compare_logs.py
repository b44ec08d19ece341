"""Compare the log of a run, or of its beginning, with that of the last sitting: `python compare_logs.py train.csv`.

Both losses are averaged over the second half of what the new log covers. Exits with 1 if one is more than a tenth higher.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

LOSSES = ("main_text", "main_known")
MOST = 1.10  # of the committed loss


def mean_loss(log: Path, name: str, last: int) -> float:
    """Mean of a loss over the rows between half of `last` clips and `last`."""
    rows = [row for row in csv.DictReader(log.open()) if last / 2 < int(row["clips"]) <= last and row[name] != "nan"]
    return sum(float(row[name]) for row in rows) / len(rows)


def main() -> None:
    new, old = Path(sys.argv[1]), Path(__file__).parent / "log/sitting3.csv"
    last = max(int(row["clips"]) for row in csv.DictReader(new.open()))
    failed = False
    for name in LOSSES:
        ours, theirs = mean_loss(new, name, last), mean_loss(old, name, last)
        print(f"accept: {name} after {last} clips over the committed log's ({ours:.3f} / {theirs:.3f}) | {ours / theirs:.3f} | ≤ {MOST}")
        failed |= ours > MOST * theirs
    sys.exit("the recipe does not reach the committed loss" if failed else 0)


if __name__ == "__main__":
    main()
