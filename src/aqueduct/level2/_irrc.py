"""The mathematics of Improved Roman Reference Correction (Rauscher et al. 2022, JATIS 8, 028002).

A channel gives a sample each pixel clock: 128 pixels and 12 clocks of overhead a row, so
L = 4096 x 140 samples a frame; odd channels are read right to left. What the left and right
reference columns and the reference amplifier saw, as series of that length,

    left, right   4 samples of each row, times 140 / 4; 0 elsewhere
    amplifier     128 samples of each row; the 12 between are interpolated

tell what all channels saw, at each frequency f with a weight of its own:

    w_c = irfft( gamma_c rfft(left) + zeta_c rfft(right) + alpha_c rfft(amplifier) )     [DN]

Before, changes against the pixel's mean over the resultants are taken, and of each channel and
resultant the straight line through its reference rows is removed. Rows are in the order of
the science frame, as the official tools and their weights have them.

The overhead of the amplifier is first a mean of its neighbours, weighted with half a period
of a sine over 32 samples, and then smoothed three times with (1, 2, 1) / 4. That is what the
official tools' multiplication of the spectrum with (1 + cos(2 pi f / L)) / 2 amounts to.

The inverse transform is taken in two stages, of which only 128 of 140 columns are needed.
With k = p + 4096 q and sample 140 r + j,

    y_pj = exp(2 pi i p j / L) sum_q X_(p + 4096 q) exp(2 pi i q j / 140)
    w_rj = sum_p y_pj exp(2 pi i p r / 4096) / L

and y of 4096 - p is the conjugate of y of p: the second stage is a real transform.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit
from aqueduct.products.window import BORDER, CHANNEL, FRAME

CLOCKS: Final = 140
"""Samples of a row."""
SAMPLES: Final = FRAME * CLOCKS
FREQUENCIES: Final = SAMPLES // 2 + 1
_SIDE: Final = CLOCKS / BORDER
_HALF: Final = FRAME // 2 + 1
_KERNEL: Final = np.sin(np.pi * np.arange(1, 32) / 32).astype(np.float32)
_SMOOTHINGS: Final = 3

Series = NDArray[np.float32]
Spectra = NDArray[np.complex64]


def in_order(channel: int, pixels: NDArray[Any]) -> NDArray[Any]:
    """Pixels of a channel (..., column) in the order they are read, or back: a view."""
    return pixels[..., ::-1] if channel % 2 else pixels


def clocks(rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """When samples of some rows are read, in clocks from mid-frame: (row, place)."""
    samples = rows[:, None] * CLOCKS + np.arange(CHANNEL)
    return samples.astype(np.float64) - (SAMPLES - 1) / 2


def side_spectra(columns: Series) -> Spectra:
    """Spectra of the left or right reference columns.

    Parameters
    ----------
    columns : ndarray of float32, (resultant, 4096, 4)
        DN, in the order of reading: of the right side, the outermost first.

    Returns
    -------
    ndarray of complex64, (resultant, 286721)
        DN times samples.
    """
    series = np.zeros((len(columns), FRAME, CLOCKS), np.float32)
    np.multiply(columns, np.float32(_SIDE), out=series[:, :, :BORDER])
    return _spectra(series)


def channel_spectra(samples: Series, known: NDArray[np.bool_]) -> Spectra:
    """Spectra of the reference amplifier or a channel, interpolated where it is not known.

    Parameters
    ----------
    samples : ndarray of float32, (resultant, 4096, 128)
        DN, in the order of reading.
    known : ndarray of bool, (resultant, 4096, 128)

    Returns
    -------
    ndarray of complex64, (resultant, 286721)
    """
    series = np.zeros((len(samples), FRAME, CLOCKS), np.float32)
    for row, values, there in zip(series, samples, known, strict=True):
        _interpolate(values, there, _KERNEL, _SMOOTHINGS, row)
    return _spectra(series)


def _spectra(series: Series) -> Spectra:
    from scipy.fft import rfft

    flat = series.reshape(len(series), SAMPLES)
    spectra = np.empty((len(flat), FREQUENCIES), np.complex64)
    for one, made in zip(flat, spectra, strict=True):
        made[:] = rfft(one)
    return spectra


def waveform(
    spectra: tuple[Spectra, Spectra, Spectra], weights: tuple[Spectra, Spectra, Spectra]
) -> Series:
    """What a channel saw, in the order of reading.

    Parameters
    ----------
    spectra : (left, right, amplifier), each complex64 (resultant, 286721)
    weights : (gamma, zeta, alpha), each complex64 (286721,)

    Returns
    -------
    ndarray of float32, (resultant, 4096, 128)
        DN.
    """
    from scipy.fft import ifft, irfft

    made = np.empty((len(spectra[0]), FRAME, CHANNEL), np.float32)
    folded = np.empty((CLOCKS, _HALF), np.complex64)
    rows = np.empty((_HALF, CHANNEL), np.complex64)
    left, right, amplifier = spectra
    gamma, zeta, alpha = weights
    sides = max(_stop(gamma), _stop(zeta))
    stop = max(sides, _stop(alpha))
    for number, out in enumerate(made):
        _fold(left[number], right[number], amplifier[number], *weights, sides, stop, folded)
        _turn(ifft(folded, axis=0, overwrite_x=True), _turns(), rows)
        out[:] = irfft(rows, FRAME, axis=0, overwrite_x=True)
    return made


@cache
def _turns() -> Spectra:
    """exp(2 pi i p j / L): (p, j)."""
    angle = np.outer(np.arange(_HALF), np.arange(CHANNEL)) / SAMPLES
    turns: Spectra = np.exp(2j * np.pi * angle).astype(np.complex64)
    return turns


def _stop(weights: Spectra) -> int:
    """One past the highest frequency that has a weight."""
    used = np.flatnonzero(weights)
    return int(used[-1]) + 1 if used.size else 0


@jit
def _fold(
    left: Any,
    right: Any,
    amplifier: Any,
    gamma: Any,
    zeta: Any,
    alpha: Any,
    sides: int,
    stop: int,
    out: Any,
) -> None:
    """X of frequency p + 4096 q, for p to 2048 and all q; X of L - k is the conjugate of k's.

    From frequency ``sides`` on the columns have no weight, from ``stop`` on nothing has.
    """
    clocks, half = out.shape
    size = 2 * (half - 1)
    for q in range(clocks // 2):
        first = q * size
        part = slice(first, first + size + 1)
        here, mirror = out[q], out[clocks - 1 - q]
        if first >= stop:
            here[:] = 0
            mirror[:] = 0
        elif first >= sides:
            a, wa = amplifier[part], alpha[part]
            for p in range(half):
                here[p] = a[p] * wa[p]
            for p in range(half):
                x = a[size - p] * wa[size - p]
                mirror[p] = complex(x.real, -x.imag)
        else:
            b, r, a = left[part], right[part], amplifier[part]
            wb, wr, wa = gamma[part], zeta[part], alpha[part]
            for p in range(half):
                here[p] = b[p] * wb[p] + r[p] * wr[p] + a[p] * wa[p]
            for p in range(half):
                k = size - p
                x = b[k] * wb[k] + r[k] * wr[k] + a[k] * wa[k]
                mirror[p] = complex(x.real, -x.imag)


@jit
def _turn(places: Any, turns: Any, out: Any) -> None:
    """Transposed, and turned by the phase of each place in the row."""
    half, columns = out.shape
    tile = 32
    for p0 in range(0, half, tile):
        for j0 in range(0, columns, tile):
            for p in range(p0, min(p0 + tile, half)):
                for j in range(j0, j0 + tile):
                    out[p, j] = places[j, p] * turns[p, j]


@jit
def _interpolate(values: Any, known: Any, kernel: Any, smoothings: int, out: Any) -> None:
    """``values`` with what lies between them; see the module for how."""
    rows, columns = values.shape
    clocks = out.shape[1]
    for row in range(rows):
        for j in range(columns):
            out[row, j] = values[row, j] if known[row, j] else np.float32(0)
    _mean_of_neighbours(known, kernel, out)
    series = out.reshape(-1)
    size = series.shape[0]
    old = np.empty(clocks + 2, np.float32)
    for row in range(rows):
        first = row * clocks + columns
        count = clocks - columns
        for _ in range(smoothings):
            for j in range(count + 2):
                old[j] = series[(first - 1 + j) % size]
            for j in range(count):
                series[first + j] = (old[j] + old[j + 1] + old[j + 1] + old[j + 2]) / np.float32(4)


@jit
def _mean_of_neighbours(known: Any, kernel: Any, out: Any) -> None:
    """Fill the overhead, and what is not known, from what is."""
    rows, columns = known.shape
    clocks = out.shape[1]
    reach = (kernel.shape[0] + 1) // 2
    for row in range(rows):
        for j in range(clocks):
            if j < columns and known[row, j]:
                continue
            total = weight = np.float32(0)
            for step in range(kernel.shape[0]):
                at = row * clocks + j + reach - 1 - step
                r, c = at // clocks, at % clocks
                if 0 <= r < rows and c < columns and known[r, c]:
                    total += kernel[step] * out[r, c]
                    weight += kernel[step]
            out[row, j] = total / weight if weight > 0 else np.float32(0)
