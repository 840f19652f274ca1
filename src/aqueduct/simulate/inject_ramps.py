"""Add sources to a Level 1 exposure: charge before the electronics, read by read.

For each pixel and read r the sources leave q_r electrons,

    q_r = q_{r-1} + Poisson(rate dt),   rate = D flat gain       [electron]

with D their brightness in flat-fielded DN/s; neighbours share them through capacitance. With
F the linearity polynomial, G its inverse, c the converter's correction and
obs(l) = y - c(y), y = G(l), what a linear signal l reads,

    l_r = F(R_i + c(R_i)) + (slope of the ramp) (t_r - t_i)                      [DN]
    R_i' = floor( mean_r [ obs(l_r + q_r / g) ] + R_i - mean_r [ obs(l_r) ] + u ),  u in [0, 1)

where u stands for the fraction that the first floor lost. No read rises above saturation; what
is saturated stays as it is. All that happened to the exposure is kept: cosmic rays, drift, noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.threads import bands, over
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.instrument.photometry import NJY_PER_MJY
from aqueduct.kernels.compile import jit
from aqueduct.products.ramp import Raw
from aqueduct.products.references import (
    FlatReference,
    GainReference,
    IntegralNonlinearityReference,
    InverseLinearityReference,
    LinearityReference,
    PhotomReference,
    SaturationReference,
)
from aqueduct.products.window import BORDER, CHANNEL, FRAME, SCIENCE_WINDOW
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.inject import fluxes, injected_truth, middle_of
from aqueduct.simulate.render import pixel_area, sources
from aqueduct.simulate.scene import Scene
from aqueduct.simulate.truth import Truth

Plane = NDArray[Any]

_BAND: Final = 32
_FEW: Final = 0.5
"""Electrons a read below which their times are drawn, and not their number before each read."""
_CODES: Final = 65536
"""Values of the 16-bit A/D converter."""


@dataclass(frozen=True)
class Response:
    """How an exposure's detector turns light into DN, as its references say.

    Attributes
    ----------
    capacitance : ndarray of float64, (3, 3)
        Share of a pixel's charge seen in it and its neighbours, summing to 1.
    """

    gain: GainReference
    flat: FlatReference
    linearity: LinearityReference
    inverse_linearity: InverseLinearityReference
    integral_nonlinearity: IntegralNonlinearityReference
    saturation: SaturationReference
    photom: PhotomReference
    capacitance: NDArray[np.float64]


def inject_level1(
    raw: Raw,
    scene: Scene,
    epsf: Epsf,
    response: Response,
    sky: PixelMap,
    rng: np.random.Generator,
) -> tuple[Raw, Truth]:
    """Add a scene to a raw exposure.

    Parameters
    ----------
    raw : Raw
        The whole frame.
    scene : Scene
    epsf : Epsf
        Of the exposure's detector and filter, without capacitance.
    response : Response
    sky : PixelMap
        From science pixel to sky, as the sources are to be placed.
    rng : numpy.random.Generator

    Returns
    -------
    Raw
        A new one.
    dict of str to ndarray
        As of :func:`aqueduct.simulate.inject.inject_level2`; ``signal`` is in flat-fielded
        DN/s, ``saturated`` tells whether the last resultant is.
    """
    about = raw.exposure
    entry = response.photom.table[about.optical_element]
    unit = float(entry["photmjsr"]) * float(entry["pixelareasr"]) * NJY_PER_MJY
    time = middle_of(raw.meta)
    ra, dec = scene.positions(time)
    x, y = sky.to_pixel(ra, dec)
    flux = fluxes(scene, about.detector, about.optical_element, time)
    rate = _electrons(sources(scene, x, y, flux / unit, epsf, sky), response, about.detector)
    data = _exposed(raw, rate, response, rng)
    inside = data[-1][SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns] + _offset(raw)
    level = response.saturation.data[SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns]
    truth = injected_truth(scene, (ra, dec), (x, y), flux, flux / unit, inside >= level)
    return replace(raw, data=data), truth


def _electrons(light: Plane, response: Response, detector: str) -> NDArray[np.float32]:
    """Electron/s collected, of the full frame, from flat-fielded DN/s of mean pixels."""
    area = pixel_area(detector)
    science = SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns
    rate = light / (area / area.mean()) * response.flat.data * response.gain.data[science]
    full = np.zeros((FRAME, FRAME), np.float32)
    full[science] = np.where(np.isfinite(rate) & (rate > 0), rate, 0)
    return full


def _offset(raw: Raw) -> Plane | float:
    """What is added to stored values to get DN: the reference read less the encoding offset."""
    from_encoding = -float(raw.meta["instrument"].get("data_encoding_offset") or 0)
    if raw.reference_read is None:
        return from_encoding
    science = SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns
    return np.asarray(raw.reference_read[science].astype(np.float32) + from_encoding)


def _exposed(
    raw: Raw, rate: NDArray[np.float32], response: Response, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """The resultants with the charge added."""
    about, out = raw.exposure, np.array(raw.data)
    reads = np.concatenate([np.asarray(group) for group in about.read_pattern])
    starts = np.cumsum([0, *map(len, about.read_pattern)])
    seeds = rng.integers(0, 2**63, FRAME)
    zero = np.zeros((_BAND, FRAME), np.float32)
    encoding = float(raw.meta["instrument"].get("data_encoding_offset") or 0)

    def band(limits: tuple[int, int]) -> None:
        start, stop = limits
        if not rate[max(start - 1, 0) : stop + 1].any():
            return
        rows = slice(start, stop)
        charge = _charge(rate, seeds, limits, reads, about.frame_time, response.capacitance)
        lost = np.stack(
            [
                np.random.default_rng([seeds[k], 1]).random((len(out), FRAME), np.float32)
                for k in range(start, stop)
            ],
            axis=1,
        )
        base = zero[: stop - start] if raw.reference_read is None else raw.reference_read[rows]
        _add(
            out[:, rows],
            np.asarray(base, np.float32) - np.float32(encoding),
            charge,
            np.array(response.gain.data[rows], np.float32),
            np.array(response.linearity.coeffs[:, rows], np.float32),
            np.array(response.inverse_linearity.coeffs[:, rows], np.float32),
            np.asarray(response.integral_nonlinearity.correction, np.float64),
            np.array(response.saturation.data[rows], np.float32),
            reads.astype(np.float64),
            starts,
            lost,
        )

    over(band, bands(FRAME, _BAND))
    return out


def _charge(
    rate: NDArray[np.float32],
    seeds: NDArray[np.int64],
    limits: tuple[int, int],
    reads: NDArray[np.int64],
    frame_time: float,
    capacitance: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Electrons seen at each read (read, row, column) in some rows, after capacitance."""
    start, stop = limits
    waits = np.diff(reads, prepend=0) * frame_time
    own = np.zeros((len(reads), stop - start + 2, FRAME + 2), np.float32)
    for k in range(max(start - 1, 0), min(stop + 1, FRAME)):
        lit = np.flatnonzero(rate[k])
        if lit.size:
            # A row's stream is its own: its neighbours in the next band draw the same.
            rng = np.random.default_rng([seeds[k], 0])
            own[:, k - start + 1, lit + 1] = np.cumsum(_arrivals(rate[k, lit], waits, rng), axis=0)
    height = stop - start
    seen = np.zeros((len(reads), height, FRAME), np.float32)
    for (i, j), share in np.ndenumerate(np.asarray(capacitance, np.float32)):
        # The signal of a pixel at (row, column) shows at (row + i - 1, column + j - 1).
        seen += share * own[:, 2 - i : 2 - i + height, 2 - j : 2 - j + FRAME]
    border = (np.arange(start, stop) < BORDER) | (np.arange(start, stop) >= FRAME - BORDER)
    seen[:, border] = 0
    seen[:, :, :BORDER] = seen[:, :, FRAME - BORDER :] = 0
    return seen


def _arrivals(
    rate: NDArray[np.float32], waits: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Electrons (read, pixel) that arrive before each read.

    In faint pixels all are drawn at once, then the time of each: the same process, and a
    number for each electron is less than one for each read.
    """
    total = waits.sum()
    out = np.empty((len(waits), rate.size), np.float32)
    bright = rate * total > _FEW * len(waits)
    out[:, bright] = rng.poisson(np.outer(waits, rate[bright].astype(np.float64)))
    faint = rate[~bright].astype(np.float64)
    pixel = np.repeat(np.arange(faint.size), rng.poisson(faint * total))
    read = np.searchsorted(np.cumsum(waits), total * rng.random(pixel.size), side="right")
    place = np.minimum(read, len(waits) - 1) * faint.size + pixel
    count = np.bincount(place, minlength=len(waits) * faint.size)
    out[:, ~bright] = count.reshape(len(waits), faint.size)
    return out


@jit
def _horner(coeffs: Plane, row: int, column: int, x: float) -> float:
    value = 0.0
    for power in range(coeffs.shape[0] - 1, -1, -1):
        value = value * x + coeffs[power, row, column]
    return value


@jit
def _corrected(value: float, table: Plane, channel: int) -> float:
    """The converter's correction at a value, DN."""
    inside = min(max(value, 0.0), _CODES - 1.0)
    code = min(int(inside), _CODES - 2)
    low, high = table[channel, code], table[channel, code + 1]
    value_at: float = low + (high - low) * (inside - code)
    return value_at


@jit
def _add(
    out: Plane,
    offset: Plane,
    charge: Plane,
    gain: Plane,
    forward: Plane,
    backward: Plane,
    table: Plane,
    full: Plane,
    reads: Plane,
    starts: Plane,
    lost: Plane,
) -> None:
    """Raise the resultants ``out`` (resultant, row, column) of some rows in place."""
    count, rows, columns = out.shape
    for row in range(rows):
        for c in range(columns):
            if not charge[charge.shape[0] - 1, row, c] > 0.0:
                continue
            channel, top = c // CHANNEL, full[row, c]
            first = _linear(out[0, row, c] + offset[row, c], forward, table, channel, row, c)
            last = 0
            for i in range(count):
                if out[i, row, c] + offset[row, c] < top:
                    last = i
            slope = 0.0
            if last > 0:
                value = _linear(out[last, row, c] + offset[row, c], forward, table, channel, row, c)
                slope = (value - first) / (_middle(reads, starts, last) - _middle(reads, starts, 0))
            # One DN above, so that what is cut off counts as saturated.
            cap = np.ceil(top) + 1.0
            beyond = _linear(cap, forward, table, channel, row, c)
            for i in range(count):
                value = out[i, row, c] + offset[row, c]
                if not value < top:
                    continue
                here = _linear(value, forward, table, channel, row, c)
                middle, number = _middle(reads, starts, i), starts[i + 1] - starts[i]
                shift, mean = value, 0.0
                for k in range(starts[i], starts[i + 1]):
                    before = min(here + slope * (reads[k] - middle), beyond)
                    shift -= _observed(before, backward, table, channel, row, c) / number
                for k in range(starts[i], starts[i + 1]):
                    before = min(here + slope * (reads[k] - middle), beyond)
                    after = min(before + charge[k, row, c] / gain[row, c], beyond)
                    seen = _observed(after, backward, table, channel, row, c) + shift
                    mean += min(seen, cap) / number
                raised = np.floor(np.float64(out[i, row, c]) + mean - value + lost[i, row, c])
                out[i, row, c] = np.uint16(min(max(raised, 0.0), 65535.0))


@jit
def _middle(reads: Plane, starts: Plane, i: int) -> float:
    """Mean read number of a resultant."""
    total = 0.0
    for k in range(starts[i], starts[i + 1]):
        total += reads[k]
    mean: float = total / (starts[i + 1] - starts[i])
    return mean


@jit
def _linear(value: float, forward: Plane, table: Plane, channel: int, row: int, c: int) -> float:
    return _horner(forward, row, c, value + _corrected(value, table, channel))


@jit
def _observed(
    linear: float, backward: Plane, table: Plane, channel: int, row: int, c: int
) -> float:
    value = _horner(backward, row, c, linear)
    return value - _corrected(value, table, channel)
