"""How long the simulator takes, and the figures by which it is fixed.

Run with `python benchmarks/simulate.py [--sessions N] [--units N] [--trials N]`.
"""

import argparse
import tempfile
import time
from pathlib import Path

from nwb_mtm import synthetic


def main() -> None:
    """Simulate, write, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("sessions", 3), ("units", 150), ("trials", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        drawn = synthetic.simulate(sessions=given.sessions, units=given.units, trials=given.trials)
        for path in synthetic.write_dandiset(folder, drawn):
            truth = synthetic.read_truth(path)
            assert truth is not None
            seconds = time.perf_counter() - started
            size = path.stat().st_size / 1e6
            print(f"{path.name:32} {size:6.1f} MB  {truth.rates.mean():5.2f} Hz  after {seconds:5.1f} s")
        total = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
        print(
            f"{given.sessions} sessions in {time.perf_counter() - started:.1f} s, {total / 1e6:.0f} MB with the truth"
        )


if __name__ == "__main__":
    main()
