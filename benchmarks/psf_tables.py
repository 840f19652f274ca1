"""The optical PSF beside the mission's tables, and the time it takes.

    python benchmarks/psf_tables.py

Prints, for every filter and both published detectors, the statistics of the optical model
over those of the Roman technical information (docs/explanation/psf.md explains what is
left), then the CPU seconds of a 3 x 3 grid of ePSFs per filter.
"""

from __future__ import annotations

import time
from dataclasses import asdict

from aqueduct.instrument.filters import FILTERS
from aqueduct.psf import optical_epsf
from aqueduct.psf.published import DETECTORS, published, summary


def statistics() -> None:
    """Print computed, published and their ratio."""
    for detector in DETECTORS:
        for element in FILTERS:
            ours, theirs = asdict(summary(detector, element)), asdict(published(detector, element))
            line = "  ".join(
                f"{name} {ours[name]:8.4f}/{theirs[name]:8.4f} = {ours[name] / theirs[name]:.3f}"
                for name in ours
            )
            print(f"{detector} {element}  {line}")


def speed() -> None:
    """Print the best of three for each filter."""
    for element in FILTERS:
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            optical_epsf("WFI01", element)
            best = min(best, time.process_time() - start)
        print(f"{element}  3 x 3 ePSFs of 361 samples: {best:.2f} CPU s")


if __name__ == "__main__":
    statistics()
    speed()
