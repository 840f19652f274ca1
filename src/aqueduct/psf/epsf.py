"""The effective PSF (ePSF): what fraction of a star's light falls in a pixel.

    ePSF = optical PSF * jitter * charge diffusion * pixel (* inter-pixel capacitance)

where ``*`` is convolution and the pixel is a unit square. It is stated once, here: the
pixel is always within an ePSF that is fitted or rendered, so a pixel value is one look-up
and no integration. The capacitance is within those of reference files, of simulated Level 3
and of injection; it is not within those that simulate Levels 1 and 2, where the detector
applies it to the charge. :attr:`Epsf.contents` names what is in.

A stamp is sampled ``oversample`` times per pixel with the star on its middle sample, and
its value at (dx, dy) is the fraction of the flux in a pixel whose centre lies (dx, dy)
pixels from the star. It sums to ``oversample**2`` times the share of the light that falls
on it: all of it for those of :func:`aqueduct.psf.optical.optical_epsf` unless asked
otherwise, what its maker says for a reference file. The ePSF is zero in the outermost three
samples, where the kernel of :mod:`aqueduct.psf.sampling` lacks neighbours.

Source of the ePSF: Anderson & King 2000, PASP 112, 1360.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from aqueduct.core.errors import ConfigError, ReferenceError
from aqueduct.core.threads import bands, over
from aqueduct.products.references import EpsfReference
from aqueduct.psf.blur import (
    CAPACITANCE,
    DIFFUSION,
    JITTER,
    OPTICS,
    PIXEL,
    Contents,
    Jitter,
    convolved,
    gaussian_transfer,
)
from aqueduct.psf.light import Light
from aqueduct.psf.rendering import by_phase, render
from aqueduct.psf.sampling import cut

Plane = NDArray[Any]
Vector = NDArray[Any]
Index = NDArray[np.int64]

RIM = 3
"""Samples at the edge of a stamp where the interpolation lacks neighbours."""
_BAND = 256
"""Image rows rendered by one task."""
_SHARE = 128
"""Stars cut out by one task."""


@dataclass(frozen=True)
class Epsf:
    """Effective PSFs on a regular grid of positions of one detector.

    Attributes
    ----------
    psf : ndarray of float32, (position, y, x)
        Square stamps of odd size.
    oversample : int
        Samples per pixel.
    pixel_x, pixel_y : ndarray, (position,)
        Science pixel (0-based) of each stamp; together a full grid, in any order.
    contents : tuple of str
        What is in it, in the words of :mod:`aqueduct.psf.blur`; empty where not known.
    jitter : Jitter, optional
        The jitter in it, if known.
    """

    psf: Plane
    oversample: int
    pixel_x: Vector
    pixel_y: Vector
    contents: Contents = ()
    jitter: Jitter | None = None

    @classmethod
    def from_reference(
        cls, reference: EpsfReference, spectral_type: str = "G2V", defocus: int = 0
    ) -> Epsf:
        """The ePSFs of a reference file.

        Stamps that sum to ``oversample**2`` hold the pixel; those of the older format sum
        to 1 and do not, and are convolved with it here.

        Parameters
        ----------
        reference : EpsfReference
        spectral_type : str
            One of the file's; ignored if it names none.
        defocus : int
            Index on the file's first axis; 0 is in focus.

        Raises
        ------
        ReferenceError
            If the file has no such spectral type or defocus, or its positions form no grid.
        """
        types = reference.spectral_type or (spectral_type,)
        if spectral_type not in types:
            raise ReferenceError(
                f"no ePSF for spectral type {spectral_type!r}",
                where=reference.name,
                hint=f"choose one of {', '.join(types)}",
            )
        if not 0 <= defocus < len(reference.psf):
            raise ReferenceError(
                f"no ePSF of defocus {defocus}",
                where=reference.name,
                hint=f"choose 0 to {len(reference.psf) - 1}",
            )
        stamps = np.asarray(reference.psf[defocus, types.index(spectral_type)], np.float64)
        if np.median(stamps.sum(axis=(-2, -1))) < reference.oversample**2 / 2:
            stamps = _with_pixel(stamps, reference.oversample)
        made = cls(
            np.asarray(stamps, np.float32),
            int(reference.oversample),
            np.asarray(reference.pixel_x, np.float64),
            np.asarray(reference.pixel_y, np.float64),
            (OPTICS, JITTER, DIFFUSION, PIXEL, CAPACITANCE),
            Jitter.of(float(reference.jitter)),
        )
        if len(made.pixel_x) != made._grid[2].size:
            raise ReferenceError(
                "the ePSF positions form no regular grid",
                where=reference.name,
                hint="use a reference whose pixel_x and pixel_y span a full grid",
            )
        return made

    @property
    def radius(self) -> int:
        """Pixels from the star to the edge of the stamp, rounded down."""
        return int(self.psf.shape[-1] // 2 // self.oversample)

    @cached_property
    def _grid(self) -> tuple[Vector, Vector, Index]:
        """Ascending x and y of the grid, and the stamp at (y, x)."""
        xs, column = np.unique(self.pixel_x, return_inverse=True)
        ys, row = np.unique(self.pixel_y, return_inverse=True)
        index = np.zeros((len(ys), len(xs)), np.int64)
        index[row, column] = np.arange(len(self.pixel_x))
        return xs, ys, index

    def corners(self, x: Any, y: Any) -> tuple[Index, Vector]:
        """Stamps around positions and their bilinear weights, each (n, 4).

        Outside the grid the nearest point of it counts.
        """
        xs, ys, index = self._grid
        left, right, fx = _bracket(xs, np.atleast_1d(np.asarray(x, np.float64)))
        low, high, fy = _bracket(ys, np.atleast_1d(np.asarray(y, np.float64)))
        nodes = np.stack(
            [index[low, left], index[low, right], index[high, left], index[high, right]]
        )
        weights = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy])
        return np.ascontiguousarray(nodes.T), np.ascontiguousarray(weights.T)

    def at(self, x: float, y: float) -> NDArray[np.float64]:
        """The stamp at science pixel (x, y), bilinear between the grid's positions."""
        return np.asarray(self.at_many([x], [y])[0])

    def at_many(self, x: Any, y: Any) -> NDArray[np.float64]:
        """The oversampled stamps at n science pixels, (n, y, x)."""
        nodes, weights = self.corners(x, y)
        stamps = np.zeros((len(nodes), *self.psf.shape[1:]))
        for node, weight in zip(nodes.T, weights.T, strict=True):
            stamps += weight[:, None, None] * self.psf[node]
        return stamps

    def local(
        self,
        x: float,
        y: float,
        *,
        spectrum: Light | None = None,
        jitter: float | Jitter | None = None,
        radius: float = 0.0,
    ) -> Epsf:
        """The ePSF of one place, on its own: what all models of the PSF give.

        Parameters
        ----------
        x, y : float
            Science pixel.
        spectrum : optional
            Not possible: these ePSFs were made for one spectrum.
        jitter : float or Jitter, optional
            The jitter wanted, RMS in mas; at least as large as that in the ePSF.
        radius : float
            Not regarded: the stamp keeps its size.

        Raises
        ------
        ConfigError
            If a spectrum is given, the jitter in the ePSF is not known, or it is larger than
            the one wanted.
        """
        if spectrum is not None:
            raise ConfigError(
                "these ePSFs are for one spectrum only",
                hint="use an OpticalModel, or another spectral type of the reference file",
            )
        stamp = self.at(x, y)
        if jitter is not None:
            stamp = self._jittered(stamp, Jitter.of(jitter))
        return replace(
            self,
            psf=stamp[None].astype(np.float32),
            pixel_x=np.array([x]),
            pixel_y=np.array([y]),
            jitter=self.jitter if jitter is None else Jitter.of(jitter),
        )

    def _jittered(self, stamp: Plane, wanted: Jitter) -> Plane:
        """A stamp convolved with what the jitter in it lacks of that wanted."""
        if self.jitter is None:
            raise ConfigError("the jitter in these ePSFs is not known")
        missing = wanted.covariance - self.jitter.covariance
        if np.linalg.eigvalsh(missing)[0] < -1e-9:
            raise ConfigError(
                f"the ePSFs already have more jitter ({self.jitter}) than {wanted}",
                hint="ask for more, or use an OpticalModel",
            )
        shape = (stamp.shape[0], stamp.shape[1])
        return convolved(stamp, gaussian_transfer(shape, self.oversample, missing))

    def stamps(self, x: Vector, y: Vector, size: int) -> tuple[NDArray[np.float32], Index, Index]:
        """Share of the flux in the pixels around n stars, each with the ePSF of its position.

        Parameters
        ----------
        x, y : ndarray, (n,)
            0-based science pixel.
        size : int
            Pixels on a side of a stamp.

        Returns
        -------
        stamps : ndarray of float32, (n, size, size)
        row, column : ndarray of int64, (n,)
            Image pixel of the first pixel of each stamp; the star is within half a pixel of
            pixel ``size // 2`` of it.
        """
        xs, ys = (np.ascontiguousarray(value, np.float64) for value in (x, y))
        row, column = (np.rint(at).astype(np.int64) - size // 2 for at in (ys, xs))
        nodes, weights = self.corners(xs, ys)
        made = np.empty((len(xs), size, size), np.float32)

        def share(stars: tuple[int, int]) -> None:
            cut(self.psf, self.oversample, nodes, weights, xs, ys, row, column, made, *stars)

        over(share, bands(len(xs), _SHARE))
        return made, row, column

    def render(self, x: Vector, y: Vector, flux: Vector, image: Plane) -> None:
        """Add stars to ``image`` in place, each with the ePSF of its own position.

        Parameters
        ----------
        x, y : ndarray, (star,)
            0-based science pixel.
        flux : ndarray, (star,)
            Total flux of the stamp, in the image's unit.
        image : ndarray of float32, (row, column)
        """
        order = np.argsort(y, kind="stable")
        xs, ys, fluxes = (np.ascontiguousarray(value[order], np.float64) for value in (x, y, flux))
        nodes, weights = self.corners(xs, ys)
        cube, reach = by_phase(self.psf, self.oversample), self.radius + 2

        def band(rows: tuple[int, int]) -> None:
            part = slice(*np.searchsorted(ys, (rows[0] - reach, rows[1] + reach)))
            render(
                cube,
                self.oversample,
                nodes[part],
                weights[part],
                xs[part],
                ys[part],
                fluxes[part],
                image,
                *rows,
            )

        over(band, bands(image.shape[0], _BAND))


def normalised(stamps: Plane, oversample: int) -> NDArray[np.float32]:
    """Stamps, zero on the rim that can't be interpolated, that each sum to ``oversample**2``."""
    inside = (..., slice(RIM, -RIM), slice(RIM, -RIM))
    total = stamps[inside].sum(axis=(-2, -1), keepdims=True, dtype=np.float64)
    made = np.zeros(stamps.shape, np.float32)
    made[inside] = stamps[inside] * (oversample**2 / total)
    return made


def _with_pixel(stamps: Plane, oversample: int) -> Plane:
    """Convolve stamps with a pixel of ``oversample`` samples, centred."""
    box = np.ones(oversample)
    if oversample % 2 == 0:  # the ends are shared between two neighbours
        box = np.concatenate([[0.5], np.ones(oversample - 1), [0.5]])
    smooth = convolve1d(stamps, box, axis=-1, mode="constant")
    result: Plane = convolve1d(smooth, box, axis=-2, mode="constant")
    return result


def _bracket(grid: Vector, at: Vector) -> tuple[Index, Index, Vector]:
    """Indices of the grid points on either side of ``at`` and the fraction between them."""
    if len(grid) == 1:
        zero = np.zeros(len(at), np.int64)
        return zero, zero, np.zeros(len(at))
    low = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, len(grid) - 2)
    fraction = np.clip((at - grid[low]) / (grid[low + 1] - grid[low]), 0.0, 1.0)
    return low, low + 1, fraction
