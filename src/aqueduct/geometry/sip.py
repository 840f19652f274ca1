"""An image's gwcs as a TAN-SIP header, and how far the two are apart.

With u, v the pixel from the middle of the image and (xi, eta) the plane that touches the
sky there::

    (xi, eta) = CD (u + A(u, v), v + B(u, v))          A, B: terms of 2nd to nth degree
    (u, v)    = (U + AP(U, V), V + BP(U, V))           (U, V) = CD^-1 (xi, eta)

The degree is the lowest that reaches the aim on a second, finer grid that includes the
edges; what is left there is reported. Source: Shupe et al. 2005, ASPC 347, 491.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aqueduct.core.errors import InputError
from aqueduct.geometry.polynomial import chebyshev_grid, evaluate
from aqueduct.geometry.tangent import Floats, TangentPlane, separation

if TYPE_CHECKING:
    from aqueduct.geometry.skycells import SkyCell

HIGHEST: Final = 9
"""Degree that the SIP convention ends at."""
NODES: Final = 24
CHECKS: Final = 31
AIM: Final = 1e-4
"""Residual, in pixels, at which no higher degree is tried."""
_MAS: Final = 3600e3
_NONE: Final = np.zeros((2, 1, 1))


@dataclass(frozen=True, eq=False)
class Sip:
    """A TAN-SIP fit.

    Attributes
    ----------
    ra, dec : float
        Degrees, of the pixel ``x0``, ``y0``.
    x0, y0 : float
        0-based.
    cd : ndarray, (2, 2)
        Degrees per pixel.
    forward, inverse : ndarray, (2, n + 1, n + 1)
        A, B and AP, BP by the powers of u and v.
    error_pixels, error_mas : float
        Largest distance from the gwcs, pixel to sky.
    error_back : float
        Largest distance of a pixel from itself there and back, in pixels.
    """

    ra: float
    dec: float
    x0: float
    y0: float
    cd: Floats
    forward: Floats
    inverse: Floats
    error_pixels: float
    error_mas: float
    error_back: float

    @classmethod
    def from_gwcs(cls, wcs: Any, shape: tuple[int, int], aim: float = AIM) -> Sip:
        """Fit ``wcs`` over an image.

        Parameters
        ----------
        wcs : gwcs.WCS
            0-based pixel (x, y) to ICRS degrees.
        shape : (rows, columns)
            Of the image.
        aim : float
            Residual, in pixels, that is good enough.

        Raises
        ------
        InputError
            If the WCS gives no finite position somewhere on the image.
        """
        x0, y0 = (shape[1] - 1) / 2, (shape[0] - 1) / 2
        half = np.array([max(shape[1] / 2, 1), max(shape[0] / 2, 1)])
        ra, dec = (float(value) for value in wcs(x0, y0, with_bounding_box=False))
        if not math.isfinite(ra + dec):
            raise InputError("the WCS gives no sky position in the middle of the image")
        start = cls(ra, dec, x0, y0, np.eye(2), _NONE, _NONE, 0.0, 0.0, 0.0)
        nodes = start._sampled(wcs, chebyshev_grid(NODES) * half[:, None])
        checks = start._sampled(wcs, _even_grid(CHECKS) * half[:, None])
        fitted = start
        for degree in range(2, HIGHEST + 1):
            fitted = start._fitted(nodes, degree, half)._measured(checks)
            if max(fitted.error_pixels, fitted.error_back) < aim:
                break
        return fitted

    @property
    def degree(self) -> int:
        return len(self.forward[0]) - 1

    def to_sky(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """ICRS degrees of pixels counted from (``x0``, ``y0``)."""
        moved = np.stack([u, v]) + evaluate(self.forward, u, v)
        xi, eta = self.cd @ moved
        return TangentPlane(self.ra, self.dec).to_sky(xi, eta)

    def cards(self) -> list[tuple[str, Any, str]]:
        """The header cards: keyword, value, comment."""
        cards: list[tuple[str, Any, str]] = [
            ("WCSAXES", 2, ""),
            ("CTYPE1", "RA---TAN-SIP", "gnomonic, with SIP distortion"),
            ("CTYPE2", "DEC--TAN-SIP", ""),
            ("CUNIT1", "deg", ""),
            ("CUNIT2", "deg", ""),
            ("CRPIX1", self.x0 + 1, "pixel of the reference point, from 1"),
            ("CRPIX2", self.y0 + 1, ""),
            ("CRVAL1", self.ra, "[deg] its right ascension"),
            ("CRVAL2", self.dec, "[deg] its declination"),
        ]
        cards += [(f"CD{i + 1}_{j + 1}", float(self.cd[i, j]), "") for i in (0, 1) for j in (0, 1)]
        cards += [("RADESYS", "ICRS", "")]
        for names, polynomials in ((("A", "B"), self.forward), (("AP", "BP"), self.inverse)):
            for name, polynomial in zip(names, polynomials, strict=True):
                cards.append((f"{name}_ORDER", self.degree, ""))
                terms = np.argwhere(polynomial)
                cards += [(f"{name}_{i}_{j}", float(polynomial[i, j]), "") for i, j in terms]
        cards += [
            ("SIPMAXPX", self.error_pixels, "[pixel] largest distance of SIP from gwcs"),
            ("SIPMAXAS", self.error_mas / 1e3, "[arcsec] the same on the sky"),
            ("SIPMAXIV", self.error_back, "[pixel] largest error there and back"),
        ]
        return cards

    def _sampled(self, wcs: Any, points: Floats) -> tuple[Floats, Floats]:
        """Points (2, n) from the middle, and their places (2, n) on the plane, in degrees."""
        sky = wcs(points[0] + self.x0, points[1] + self.y0, with_bounding_box=False)
        plane = np.stack(TangentPlane(self.ra, self.dec).to_pixel(*sky))
        if not np.isfinite(plane).all():
            raise InputError(
                "the WCS gives no finite sky position on part of the image",
                hint="check the distortion reference and meta.wcsinfo",
            )
        return points, plane

    def _fitted(self, nodes: tuple[Floats, Floats], degree: int, half: Floats) -> Sip:
        """The fit of one degree: the linear terms are CD's."""
        points, plane = nodes
        scaled = _solve(points / half[:, None], plane, degree, lowest=1)
        cd = np.stack([scaled[:, 1, 0], scaled[:, 0, 1]], axis=1) / half
        back = np.linalg.inv(cd)
        powers = np.arange(degree + 1)
        size = half[0] ** powers[:, None] * half[1] ** powers
        forward = np.einsum("ab,bij->aij", back, scaled / size)
        forward[:, powers[:, None] + powers < 2] = 0
        linear = back @ plane
        inverse = _solve(linear / half[:, None], points - linear, degree, lowest=0) / size
        return replace(self, cd=cd, forward=forward, inverse=inverse)

    def _measured(self, checks: tuple[Floats, Floats]) -> Sip:
        """With the residuals at ``checks``."""
        points, plane = checks
        u, v = np.linalg.inv(self.cd) @ plane
        offset = points + evaluate(self.forward, *points) - np.stack([u, v])
        returned = np.stack([u, v]) + evaluate(self.inverse, u, v) - points
        sky = TangentPlane(self.ra, self.dec).to_sky(*plane)
        distance = separation(*sky, *self.to_sky(*points)).max()
        return replace(
            self,
            error_pixels=float(np.hypot(*offset).max()),
            error_mas=float(distance * _MAS),
            error_back=float(np.hypot(*returned).max()),
        )


def cell_cards(cell: SkyCell) -> list[tuple[str, Any, str]]:
    """The header cards of a sky cell's grid, which TAN describes exactly."""
    return [
        ("WCSAXES", 2, ""),
        ("CTYPE1", "RA---TAN", "gnomonic"),
        ("CTYPE2", "DEC--TAN", ""),
        ("CUNIT1", "deg", ""),
        ("CUNIT2", "deg", ""),
        ("CRPIX1", cell.x0 + 1, "pixel of the tangent point, from 1"),
        ("CRPIX2", cell.y0 + 1, ""),
        ("CRVAL1", cell.ra_projection, "[deg] its right ascension"),
        ("CRVAL2", cell.dec_projection, "[deg] its declination"),
        ("CDELT1", cell.scale, "[deg] right ascension grows with x"),
        ("CDELT2", cell.scale, ""),
        ("RADESYS", "ICRS", ""),
    ]


def _solve(at: Floats, values: Floats, degree: int, lowest: int) -> Floats:
    """Least-squares coefficients (2, n, n) of the terms from ``lowest`` to ``degree``."""
    powers: Sequence[tuple[int, int]] = [
        (i, total - i) for total in range(lowest, degree + 1) for i in range(total + 1)
    ]
    design = np.stack([at[0] ** i * at[1] ** j for i, j in powers], axis=1)
    size = np.abs(values).max() or 1.0
    solution = np.linalg.lstsq(design, values.T / size, rcond=None)[0] * size
    coefficients = np.zeros((2, degree + 1, degree + 1))
    for (i, j), pair in zip(powers, solution, strict=True):
        coefficients[:, i, j] = pair
    return coefficients


def _even_grid(count: int) -> Floats:
    """Points (2, count^2) on [-1, 1]^2, edges included."""
    nodes = np.linspace(-1, 1, count)
    return np.stack([axis.ravel() for axis in np.meshgrid(nodes, nodes)])
