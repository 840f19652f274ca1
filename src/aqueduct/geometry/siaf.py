"""Apertures: where each detector lies in the telescope's (V2, V3) frame.

With (x, y) the 0-based science pixel and i + j <= 5::

    X = sum_ij A_ij (x - x_ref)^i (y - y_ref)^j,  Y likewise        ideal frame [arcsec]
    V2 = V2_ref + p X cos(t) + Y sin(t)                             p: parity, -1
    V3 = V3_ref - p X sin(t) + Y cos(t)                             t: V3IdlYAngle

Source: the Roman SIAF, as packed with pysiaf (Cox & Sahlmann, JWST-STScI-001550). The
reference pixel 2044.5 of the SIAF counts from 1. Its own inverse polynomials return to the
pixel within 6e-3 only; ours, of degree 7, are fitted to the forward ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from aqueduct.core.config import nearest
from aqueduct.core.errors import InputError
from aqueduct.geometry.polynomial import chebyshev_grid, evaluate, fit
from aqueduct.geometry.tangent import Floats

DEGREE: Final = 5
INVERSE_DEGREE: Final = 7
SIZE: Final = 4088
"""Science pixels along one side of a detector."""


@dataclass(frozen=True, eq=False)
class Aperture:
    """One aperture of the SIAF.

    Attributes
    ----------
    name : str
        ``WFI01_FULL`` to ``WFI18_FULL``, ``WFI_CEN``, ``BORESIGHT``.
    v2_ref, v3_ref : float
        Arcsec.
    v3_angle : float
        Degrees from V3 to the ideal Y axis (V3IdlYAngle).
    parity : int
        -1 where the ideal X axis runs against V2.
    reference : (float, float)
        0-based science pixel of (V2_ref, V3_ref).
    to_ideal : ndarray, (2, 6, 6)
        Coefficients [axis, i, j]; zero for apertures without pixels.
    """

    name: str
    v2_ref: float
    v3_ref: float
    v3_angle: float
    parity: int
    reference: tuple[float, float]
    to_ideal: Floats

    @cached_property
    def to_science(self) -> Floats:
        """Coefficients (2, 8, 8) of the way back, fitted over the detector."""
        offsets = (SIZE / 2 + 4) * chebyshev_grid(3 * INVERSE_DEGREE)
        return fit(evaluate(self.to_ideal, *offsets), offsets, INVERSE_DEGREE)

    def to_v2v3(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """(V2, V3) in arcsec of 0-based science pixels."""
        dx, dy = np.asarray(x) - self.reference[0], np.asarray(y) - self.reference[1]
        v2, v3 = np.tensordot(self._matrix(), evaluate(self.to_ideal, dx, dy), axes=1)
        return v2 + self.v2_ref, v3 + self.v3_ref

    def to_pixel(self, v2: ArrayLike, v3: ArrayLike) -> tuple[Floats, Floats]:
        """0-based science pixels of (V2, V3) in arcsec; good to 2e-5 pixel on the detector."""
        offset = np.stack([np.asarray(v2) - self.v2_ref, np.asarray(v3) - self.v3_ref])
        ideal = np.tensordot(self._matrix().T, offset, axes=1)
        dx, dy = evaluate(self.to_science, *ideal)
        return dx + self.reference[0], dy + self.reference[1]

    def model(self) -> Any:
        """The same as an astropy model, with its inverse, as a distortion reference holds it."""
        from astropy.modeling.models import AffineTransformation2D, Mapping, Shift

        shift = Shift(-self.reference[0]) & Shift(-self.reference[1])
        matrix, origin = self._matrix(), np.array([self.v2_ref, self.v3_ref])
        double = Mapping((0, 1, 0, 1))
        model = shift | double | _polynomials(self.to_ideal)
        model = model | AffineTransformation2D(matrix, origin)
        back = AffineTransformation2D(matrix.T, -matrix.T @ origin)
        model.inverse = back | double | _polynomials(self.to_science) | shift.inverse
        return model

    def _matrix(self) -> Floats:
        """Ideal (X, Y) to (V2, V3) offsets: orthogonal."""
        sin, cos = math.sin(math.radians(self.v3_angle)), math.cos(math.radians(self.v3_angle))
        return np.array([[self.parity * cos, sin], [-self.parity * sin, cos]])


def _polynomials(coefficients: Floats) -> Any:
    from astropy.modeling.models import Polynomial2D

    degree = coefficients.shape[-1] - 1
    x, y = (
        Polynomial2D(
            degree,
            **{f"c{i}_{j}": c[i, j] for i in range(degree + 1) for j in range(degree + 1 - i)},
        )
        for c in coefficients
    )
    return x & y


@cache
def apertures() -> dict[str, Aperture]:
    """All apertures of the Roman SIAF, by name."""
    from xml.etree import ElementTree

    # Importing pysiaf itself would ask a server for newer tables; only its file is needed.
    spec = find_spec("pysiaf")
    folder = Path((spec.submodule_search_locations or [""])[0] if spec else "")
    path = folder / "prd_data" / "Roman" / "roman_siaf.xml"
    if not path.is_file():
        raise InputError("no Roman SIAF", where=str(path), hint="pip install pysiaf")
    every = [_read(entry) for entry in ElementTree.parse(path).getroot().iter("SiafEntry")]
    return {one.name: one for one in every}


def aperture(name: str) -> Aperture:
    """The aperture of this name; a detector's name stands for its full frame.

    Raises
    ------
    InputError
        If there is none.
    """
    full = f"{name}_FULL"
    every = apertures()
    if name not in every and full not in every:
        raise InputError(f"no aperture {name!r}", hint=nearest(name, every))
    return every[name if name in every else full]


def _read(entry: Any) -> Aperture:
    def number(key: str, default: float = 0.0) -> float:
        text = entry.findtext(key)
        return float(text) if text and text.strip() else default

    to_ideal = np.zeros((2, DEGREE + 1, DEGREE + 1))
    for axis, letter in enumerate("XY"):
        for total in range(DEGREE + 1):
            for j in range(total + 1):
                to_ideal[axis, total - j, j] = number(f"Sci2Idl{letter}{total}{j}")
    return Aperture(
        name=entry.findtext("AperName").strip(),
        v2_ref=number("V2Ref"),
        v3_ref=number("V3Ref"),
        v3_angle=number("V3IdlYAngle"),
        parity=int(number("VIdlParity", 1)),
        reference=(number("XSciRef") - 1, number("YSciRef") - 1),
        to_ideal=to_ideal,
    )
