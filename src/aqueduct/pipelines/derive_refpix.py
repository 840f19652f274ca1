"""Weights of the reference pixels, from dark exposures (Rauscher et al. 2022, JATIS 8, 028002).

For each channel c and band of frequencies B the weights that leave the least variance solve
the normal equations of the spectra x = (left, right, amplifier) and y_c of the channel,

    S w = s,    S_ij = sum x_j conj(x_i),    s_i = sum y_c conj(x_i),

summed over B, the resultants (each times the number of its reads) and the exposures. Bands
are single frequencies at first and then a tenth of an octave wide; between their middles the
weights are interpolated.

A weight that noise alone could have made would only add noise. With the residual power p of y
and the degrees of freedom n of the sums, the variance of a weight is v_j = p (1/S)_jj / n, and

    w_j' = w_j max(0, 1 - T v_j / |w_j|^2)

shrinks it, to zero where it is not larger than chance makes it (James and Stein).

All series are changes against each pixel's straight line in time, so that dark current and
steady light drop out. Pixels with a jump (cosmic rays), bad ones and those about to saturate
are left out of y, and interpolated as the overhead of the amplifier is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct import io
from aqueduct.core import dq
from aqueduct.core.errors import InputError
from aqueduct.core.threads import over
from aqueduct.kernels.compile import jit
from aqueduct.level2 import _irrc
from aqueduct.level2.refpix import CHANNELS, RefpixConfig, measure_lines, measure_spectra
from aqueduct.products import Raw
from aqueduct.products.references import MaskReference, RefpixReference
from aqueduct.products.window import BORDER, CHANNEL
from aqueduct.references import References, write_set

THRESHOLD: Final = 2.0
"""T: a weight is kept where its square is more than so many times its variance."""
FEWEST: Final = 3
"""Resultants an exposure must have for changes against a line in time."""
_CLIP: Final = 5.0
_BANDS_PER_OCTAVE: Final = 10
_INPUTS: Final = 3
_BRIGHTEST: Final = 40_000
"""DN above which a pixel is left out."""
_CONFIG: Final = RefpixConfig.model_validate({})

Note = Callable[[str], None]


@dataclass
class Sums:
    """Of products of spectra, in bands of frequency.

    Attributes
    ----------
    edges : ndarray of int64, (band + 1,)
        Band b holds the frequencies edges[b] to edges[b + 1] - 1.
    inputs : ndarray of complex128, (3, 3, band)
        sum x_i conj(x_j): S transposed.
    outputs : ndarray of complex128, (channel, 3, band)
        s.
    power : ndarray of float64, (channel, band)
        Of y.
    freedom : ndarray of float64, (band,)
        Degrees of freedom: complex values less what was fitted to them.
    """

    edges: NDArray[np.int64]
    inputs: NDArray[np.complex128]
    outputs: NDArray[np.complex128]
    power: NDArray[np.float64]
    freedom: NDArray[np.float64]

    @classmethod
    def empty(cls) -> Sums:
        edges = bands()
        count = len(edges) - 1
        return cls(
            edges,
            np.zeros((_INPUTS, _INPUTS, count), np.complex128),
            np.zeros((CHANNELS, _INPUTS, count), np.complex128),
            np.zeros((CHANNELS, count)),
            np.zeros(count),
        )


def bands() -> NDArray[np.int64]:
    """Edges of the bands of frequency, up to 286721."""
    octaves = np.log2(_irrc.FREQUENCIES)
    steps = np.arange(np.ceil(octaves * _BANDS_PER_OCTAVE)) / _BANDS_PER_OCTAVE
    edges = np.unique(np.rint(2**steps).astype(np.int64))
    return np.concatenate([[0], edges[edges < _irrc.FREQUENCIES], [_irrc.FREQUENCIES]])


def add(sums: Sums, dark: Raw, mask: MaskReference) -> None:
    """Add a dark exposure to the sums.

    Raises
    ------
    InputError
        If it has too few resultants.
    """
    count = len(dark.data)
    if count < FEWEST:
        raise InputError(
            f"has {count} resultants, needed are {FEWEST}",
            where=str(dark.meta.get("filename", "dark")),
            hint="use darks of a longer MA table",
        )
    lines = measure_lines(dark, _CONFIG, mask)
    bend, weight = _in_time(dark)
    inputs = np.stack(
        [_applied(bend, each) for each in measure_spectra(dark, _CONFIG, mask, lines)]
    )
    _add_products(inputs, inputs, weight, sums.edges, sums.inputs)
    sums.freedom += (count - 2) * np.diff(sums.edges)

    def one(channel: int) -> None:
        drift = lines.values(channel, slice(None))
        output = channel_spectra(dark, mask, channel, drift, bend)[None]
        made = np.zeros((1, _INPUTS, len(sums.freedom)), np.complex128)
        _add_products(output, inputs, weight, sums.edges, made)
        sums.outputs[channel] += made[0]
        power = np.zeros((1, 1, len(sums.freedom)), np.complex128)
        _add_products(output, output, weight, sums.edges, power)
        sums.power[channel] += power[0, 0].real

    over(one, list(range(CHANNELS)))


def _in_time(dark: Raw) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The matrix that takes each pixel's line in time away, and the weights of resultants."""
    reads = dark.exposure.read_pattern
    when = np.array([np.mean(numbers) for numbers in reads])
    design = np.stack([np.ones_like(when), when - when.mean()], axis=1)
    taken = np.eye(len(when)) - design @ np.linalg.pinv(design)
    return taken.astype(np.float32), np.array([float(len(numbers)) for numbers in reads])


def _applied(bend: NDArray[np.float32], values: NDArray[Any]) -> NDArray[Any]:
    """A matrix over the resultants, applied to (resultant, ...)."""
    made: NDArray[Any] = bend @ values.reshape(len(values), -1)
    return made.reshape(values.shape)


def channel_spectra(
    dark: Raw,
    mask: MaskReference,
    channel: int,
    drift: NDArray[np.float32],
    bend: NDArray[np.float32],
) -> NDArray[np.complex64]:
    """Spectra of the science pixels of a channel, complex64 (resultant, 286721)."""
    columns = slice(channel * CHANNEL, (channel + 1) * CHANNEL)
    changes = dark.data[:, :, columns].astype(np.float32)
    good = ((mask.dq[:, columns] & dq.DO_NOT_USE) == 0) & (changes[-1] < _BRIGHTEST)
    good[:BORDER] = good[-BORDER:] = False
    changes -= drift
    changes = _applied(bend, changes)
    for values in changes:
        some = np.abs(values[::8][good[::8]])
        usual = 1.4826 * np.median(some) if some.size else 0.0
        good &= np.abs(values) <= _CLIP * usual
    known = np.broadcast_to(_irrc.in_order(channel, good), changes.shape)
    return _irrc.channel_spectra(_irrc.in_order(channel, changes), known)


def solve(sums: Sums, threshold: float = THRESHOLD) -> RefpixReference:
    """The weights, interpolated to all frequencies.

    Returns
    -------
    RefpixReference
        complex64; zero where nothing is certain.
    """
    system = sums.inputs.transpose(2, 1, 0)
    scale = np.trace(system, axis1=1, axis2=2).real
    ridge = np.where(scale > 0, 1e-9 * scale, 1.0)
    inverse = np.linalg.inv(system + ridge[:, None, None] * np.eye(_INPUTS))
    weights = np.einsum("bij,cjb->cib", inverse, sums.outputs)
    explained = np.einsum("cib,cib->cb", weights.conj(), sums.outputs).real
    freedom = np.maximum(sums.freedom - _INPUTS, 1.0)
    residual = np.maximum(sums.power - explained, 0.0) / freedom
    variance = residual[:, None] * np.diagonal(inverse, axis1=1, axis2=2).real.T
    power = np.abs(weights) ** 2
    kept = np.maximum(1 - threshold * variance / np.where(power > 0, power, 1), 0.0)
    weights *= np.where(freedom > _INPUTS, kept, 0.0)
    gamma, zeta, alpha = (_interpolated(weights[:, i], sums.edges) for i in range(_INPUTS))
    return RefpixReference(gamma=gamma, zeta=zeta, alpha=alpha)


def _interpolated(
    weights: NDArray[np.complex128], edges: NDArray[np.int64]
) -> NDArray[np.complex64]:
    """Between the middles of the bands, over the logarithm of the frequency."""
    middle = np.log1p(np.sqrt(edges[:-1] * (edges[1:] - 1.0)))
    at = np.log1p(np.arange(_irrc.FREQUENCIES))
    made = np.empty((len(weights), _irrc.FREQUENCIES), np.complex64)
    for one, out in zip(weights, made, strict=True):
        out.real, out.imag = np.interp(at, middle, one.real), np.interp(at, middle, one.imag)
    made[:, 0] = made[:, 0].real
    return made


@jit
def _add_products(left: Any, right: Any, weight: Any, edges: Any, out: Any) -> None:
    """out[i, j, band] += sum of weight left[i] conj(right[j]) over resultants and band."""
    for i in range(left.shape[0]):
        for j in range(right.shape[0]):
            for number in range(left.shape[1]):
                a, b = left[i, number], right[j, number]
                for band in range(edges.shape[0] - 1):
                    real = imaginary = 0.0
                    for k in range(edges[band], edges[band + 1]):
                        real += a[k].real * b[k].real + a[k].imag * b[k].imag
                        imaginary += a[k].imag * b[k].real - a[k].real * b[k].imag
                    out[i, j, band] += weight[number] * (real + 1j * imaginary)


def derive(
    files: Sequence[Path],
    root: Path,
    references: References,
    *,
    useafter: str = "2020-01-01T00:00:00",
    note: Note = lambda text: None,
) -> str:
    """Derive the weights of one detector from darks, and add the file to a root.

    Parameters
    ----------
    files : sequence of Path
        Level 1 darks of one detector.
    root : Path
        A new or existing reference cache.
    references : References
        Where the mask of bad pixels comes from.
    useafter : str
        ISO date from which the file is valid.
    note : callable
        Told of progress, a line at a time.

    Returns
    -------
    str
        Name of the new context.

    Raises
    ------
    InputError
        If there are no darks, they are of several detectors, or have too few resultants.
    """
    if not files:
        raise InputError("no darks to derive from", hint="give Level 1 files of one detector")
    sums, detector = Sums.empty(), ""
    for path in files:
        dark = io.read(path)
        if not isinstance(dark, Raw):
            raise InputError("is not a Level 1 exposure", where=str(path))
        found = str(dark.meta["instrument"]["detector"])
        if detector and found != detector:
            raise InputError(
                f"is of {found}, the others of {detector}",
                where=str(path),
                hint="derive the weights of one detector at a time",
            )
        detector = found
        note(f"adding {path.name}")
        add(sums, dark, references.get(MaskReference, dark.meta))
    description = f"Derived by Aqueduct from {len(files)} darks of {detector}"
    entries = [(solve(sums), detector, None)]
    return write_set(root, entries, useafter=useafter, description=description)
