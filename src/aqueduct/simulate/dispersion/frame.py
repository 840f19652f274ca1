"""One source of a dispersed image: its traces, and the pixels that they cover.

    x_k = x + s(lambda_k) sin(a),    y_k = y + s(lambda_k) cos(a)

with (x, y) the place of the direct image and ``a`` the angle of the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.instrument.dispersers import Trace, trace
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.dispersion.photons import band, deposit, require_cover, source_spectrum
from aqueduct.simulate.dispersion.smear import smear
from aqueduct.simulate.scene import Scene

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Images = Callable[[int], Plane]
Patch = tuple[int, int, Plane]

_SPARE: Final = 8
"""Nodes beyond either end of a trace."""
_DRIFT: Final = 0.125
"""Most that a trace may move across the columns within a segment, pixels."""


@dataclass(frozen=True, eq=False)
class Frame:
    """What all sources of an image share; ``stamps`` are (wavelength, position, y, x)."""

    scene: Scene
    x: Floats
    y: Floats
    factor: Floats
    detector: str
    orders: tuple[str, ...]
    wavelengths: Floats
    epsf: Epsf
    stamps: Plane
    angle: float
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Group:
    """Sources drawn alike: how to make their images (wavelength, y, x), and their size."""

    sources: Integers
    images: Images
    samples: int
    reach: int


def spectra(frame: Frame, group: Group, source: int) -> list[Patch]:
    """The parts of the image that hold a source's spectra, with their first pixels."""
    windows = [_window(frame, group, source, order) for order in frame.orders]
    if not any(patch.size for _, _, patch in windows):
        return []
    limits = float(frame.wavelengths[0]), float(frame.wavelengths[-1])
    stamps, spectrum = group.images(source), source_spectrum(frame.scene, source, limits)
    x, y, samples = frame.x[source], frame.y[source], group.samples
    scale = samples * np.cos(frame.angle)
    for order, (row, column, patch) in zip(frame.orders, windows, strict=True):
        if patch.size == 0:
            continue
        cut = band(frame.detector, order)
        require_cover(spectrum, cut, order)
        first = int(np.floor(y * samples + cut.offset[0] * scale)) - _SPARE
        start = y * samples - first
        rates = np.zeros(int(start + cut.offset[-1] * scale) + _SPARE)
        columns = (cut.wavelength, cut.area, cut.offset, spectrum.wavelength, spectrum.flux)
        deposit(*columns, start, scale, rates)
        electrons = np.asarray(rates * frame.factor[source], np.float32)
        cuts, mix = _segments(frame, trace(order), start, scale, len(rates))
        across = x + np.sin(frame.angle) / scale * (cuts - start)
        smear(stamps, samples, electrons, first, cuts, across, mix, (row, column), patch)
    return [window for window in windows if window[2].size]


def _window(frame: Frame, group: Group, source: int, order: str) -> Patch:
    """The part of the image that one order may reach, empty."""
    ends = band(frame.detector, order).offset[[0, -1]]
    limits = []
    places = ((frame.y, np.cos), (frame.x, np.sin))
    for (place, turn), length in zip(places, frame.shape, strict=True):
        low, high = np.sort(place[source] + ends * turn(frame.angle))
        start, stop = np.clip([low - group.reach - 2, high + group.reach + 3], 0, length)
        limits.append((int(start), int(stop)))
    (top, bottom), (left, right) = limits
    return top, left, np.zeros((bottom - top, right - left), np.float32)


def _segments(
    frame: Frame, path: Trace, start: float, scale: float, nodes: int
) -> tuple[Integers, Floats]:
    """Nodes at which the image is made, and where each lies among the wavelengths."""
    index = np.arange(0, len(frame.wavelengths) - 0.5, 0.5)
    waves = np.interp(index, np.arange(len(frame.wavelengths)), frame.wavelengths)
    at = np.rint(start + scale * path.to_offset(waves)).astype(np.int64)
    step = max(int(_DRIFT * scale / max(abs(np.sin(frame.angle)), 1e-9)), 1)
    cuts = np.unique(np.concatenate([[0, nodes], np.arange(0, nodes, step), at]))
    cuts = cuts[(cuts >= 0) & (cuts <= nodes)]
    # Exact at the wavelengths themselves: there no two images are mixed.
    return cuts, np.interp(cuts, at, index)
