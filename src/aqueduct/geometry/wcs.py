"""World coordinate systems as gwcs objects that the official tools read.

A detector's frames are detector -> v2v3 -> v2v3vacorr -> world::

    v2v3        (V2, V3) = distortion(x, y)                              [arcsec]
    v2v3vacorr  V' = s V + (1 - s) V_ref     s: differential velocity aberration
    world       R_z(-ra) R_y(dec) R_x(roll) R_y(-v3) R_z(v2), all of the reference point

An alignment is one frame more, v2v3corr, between v2v3vacorr and world: on the tangent plane
at the reference point, p = (xi to the east, eta to the north)::

    p' = matrix (p + bend(p)) + shift         bend: polynomials of degree two and more
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from aqueduct.core.errors import InputError
from aqueduct.geometry import polynomial
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.tangent import Floats, TangentPlane

if TYPE_CHECKING:
    from aqueduct.geometry.skycells import SkyCell

__all__ = [
    "PixelMap",
    "TangentPlane",
    "cell_wcs",
    "corrected_wcs",
    "detector_wcs",
    "uncorrected_wcs",
]

CORRECTED = "v2v3corr"
# The names by which tweakwcs knows its own corrections, so that it can refine ours.
CORRECTION = "Roman V2-V3 tangent-plane linear correction. v1"
ARCSEC = np.pi / 180 / 3600
REACH = 340.0
"""Arcsec from the reference point, on either axis, where a bend can be undone."""


def detector_wcs(
    transform: Any,
    wcsinfo: Mapping[str, Any],
    scale_factor: float = 1.0,
    shape: tuple[int, int] = (4088, 4088),
) -> Any:
    """Build the WCS of one detector from its distortion and pointing.

    Parameters
    ----------
    transform : astropy.modeling.Model
        0-based science pixel (x, y) to (V2, V3) in arcsec.
    wcsinfo : mapping
        ``v2_ref``, ``v3_ref`` (arcsec), ``ra_ref``, ``dec_ref``, ``roll_ref`` (degrees).
    scale_factor : float
        Of ``meta.velocity_aberration``.
    shape : (rows, columns)
        Of the image: its bounding box.

    Returns
    -------
    gwcs.WCS

    Raises
    ------
    InputError
        If the pointing is incomplete or the scale factor not positive.
    """
    from astropy import coordinates, units
    from gwcs import WCS, Step
    from gwcs.coordinate_frames import CelestialFrame, Frame2D

    pointing = _reference_point(wcsinfo)
    arcsec = (units.arcsec, units.arcsec)
    detector = Frame2D(name="detector", axes_order=(0, 1), unit=(units.pix, units.pix))
    frames = [
        Frame2D(name=name, axes_order=(0, 1), axes_names=("v2", "v3"), unit=arcsec)
        for name in ("v2v3", "v2v3vacorr")
    ]
    world = CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    distortion = transform.copy()
    distortion.inputs, distortion.outputs = ("x", "y"), ("v2", "v3")
    wcs = WCS(
        [
            Step(detector, distortion),
            Step(frames[0], _aberration(scale_factor, pointing["v2_ref"], pointing["v3_ref"])),
            Step(frames[1], _to_world(**pointing)),
            Step(world, None),
        ]
    )
    wcs.bounding_box = ((-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5))
    return wcs


def _reference_point(wcsinfo: Mapping[str, Any]) -> dict[str, float]:
    keys = ("v2_ref", "v3_ref", "ra_ref", "dec_ref", "roll_ref")
    try:
        values = {key: float(wcsinfo[key]) for key in keys}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"meta.wcsinfo lacks or garbles {error}") from error
    bad = [key for key, value in values.items() if not np.isfinite(value)]
    if bad:
        raise InputError(f"meta.wcsinfo.{bad[0]} is not finite")
    return values


def _aberration(scale: float, v2_ref: float, v3_ref: float) -> Any:
    """V' = scale V + (1 - scale) V_ref, arcsec."""
    from astropy.modeling.models import Identity, Scale, Shift

    if not scale > 0:
        raise InputError(f"meta.velocity_aberration.scale_factor is {scale}; it must be positive")
    if scale == 1:
        model = Identity(2)
    else:
        shifts = Shift((1 - scale) * v2_ref) & Shift((1 - scale) * v3_ref)
        model = (Scale(scale) & Scale(scale)) | shifts
        model.name = "DVA_Correction"
    model.inputs, model.outputs = ("v2", "v3"), ("v2", "v3")
    return model


def _to_world(v2_ref: float, v3_ref: float, ra_ref: float, dec_ref: float, roll_ref: float) -> Any:
    """(V2, V3) in arcsec to (ra, dec) in degrees."""
    from astropy.modeling.models import RotationSequence3D, Scale
    from gwcs.geometry import CartesianToSpherical, SphericalToCartesian

    angles = [v2_ref / 3600, -v3_ref / 3600, roll_ref, dec_ref, -ra_ref]
    model = (
        (Scale(1 / 3600) & Scale(1 / 3600))
        | SphericalToCartesian(wrap_lon_at=180)
        | RotationSequence3D(angles, axes_order="zyxyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    model.name = "v23tosky"
    model.inputs, model.outputs = ("v2", "v3"), ("ra", "dec")
    return model


def corrected_wcs(
    wcs: Any,
    wcsinfo: Mapping[str, Any],
    matrix: ArrayLike,
    shift: ArrayLike,
    bend: Floats | None = None,
) -> Any:
    """Return ``wcs`` with an alignment: p' = matrix (p + bend(p)) + shift.

    Parameters
    ----------
    wcs : gwcs.WCS
        As :func:`detector_wcs` makes it; a correction it already holds is replaced.
    wcsinfo : mapping
        The reference point: the plane touches the sky at (ra_ref, dec_ref).
    matrix : array_like, (2, 2)
    shift : array_like, (2,)
        Arcsec, to the east and to the north.
    bend : ndarray, (2, n + 1, n + 1), optional
        Arcsec for each xi^i eta^j, in arcsec too.

    Returns
    -------
    gwcs.WCS
        A new one; frames and names are those that tweakwcs expects.
    """
    from copy import deepcopy

    from gwcs import WCS, Step

    plain = uncorrected_wcs(wcs)
    steps = list(plain.pipeline)
    v2v3, world = steps[-2:]
    corrected = deepcopy(v2v3.frame)
    corrected.name = CORRECTED
    point = _reference_point(wcsinfo)
    change = _correction(point, np.asarray(matrix, float), np.asarray(shift, float), bend)
    steps[-2:] = [Step(v2v3.frame, change), Step(corrected, v2v3.transform), world]
    new = WCS(steps, name=wcs.name)
    new.bounding_box = wcs.bounding_box
    return new


def uncorrected_wcs(wcs: Any) -> Any:
    """Return ``wcs`` without the alignment that :func:`corrected_wcs` or tweakwcs put in.

    Raises
    ------
    InputError
        If it isn't laid out as :func:`detector_wcs` does.
    """
    from gwcs import WCS, Step

    frames = list(wcs.available_frames)
    if "v2v3" not in frames or frames[-1] != "world":
        raise InputError(
            f"can't align a WCS with the frames {', '.join(frames)}",
            hint="run assign_wcs first",
        )
    if CORRECTED not in frames:
        return wcs
    at = frames.index(CORRECTED)
    steps = list(wcs.pipeline)
    steps[at - 1 : at + 1] = [Step(steps[at - 1].frame, steps[at].transform)]
    new = WCS(steps)
    new.bounding_box = wcs.bounding_box
    return new


def _correction(
    pointing: Mapping[str, float], matrix: Floats, shift: Floats, bend: Floats | None
) -> Any:
    """The map, between (V2, V3) and (V2, V3), with its inverse."""
    from astropy.modeling.models import AffineTransformation2D, RotationSequence3D

    angles = [pointing["v2_ref"] / 3600, -pointing["v3_ref"] / 3600, pointing["roll_ref"]]
    rotation = RotationSequence3D(angles, axes_order="zyx", name="det_to_optic_axis")
    back = rotation.inverse
    back.name = "optic_axis_to_det"
    inverse = np.asarray(np.linalg.inv(matrix), np.float64)
    offset = shift * ARCSEC
    change = AffineTransformation2D(matrix, offset, name="tp_affine")
    restore = AffineTransformation2D(inverse, -inverse @ offset, name="tp_affine_inv")
    if bend is not None:
        change = _bent(bend) | change
        restore = restore | _bent(_unbend(bend))
    model = _in_plane(rotation, change, back)
    model.name = CORRECTION
    undo = _in_plane(rotation, restore, back)
    undo.name = f"Inverse {CORRECTION}"
    model.inverse = undo
    return model


def _bent(bend: Floats) -> Any:
    """The map p + bend(p), of p in radians."""
    from astropy.modeling.models import Mapping, Polynomial2D

    degree = bend.shape[-1] - 1
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    axes = []
    for axis, own in enumerate(((1, 0), (0, 1))):
        terms = {f"c{i}_{j}": bend[axis, i, j] * ARCSEC ** (1 - i - j) for i, j in powers}
        terms[f"c{own[0]}_{own[1]}"] += 1.0
        axes.append(Polynomial2D(degree, **terms))
    return Mapping((0, 1, 0, 1)) | (axes[0] & axes[1])


def _unbend(bend: Floats) -> Floats:
    """The bend that undoes another, as far as ``REACH``."""
    place = polynomial.chebyshev_grid(2 * bend.shape[-1])
    change = polynomial.evaluate(bend, *(REACH * place))
    fitted = polynomial.fit(place + change / REACH, -change, bend.shape[-1] - 1)
    degrees = np.add.outer(*2 * [np.arange(bend.shape[-1])])
    return np.asarray(fitted / REACH**degrees)


def _in_plane(rotation: Any, change: Any, back: Any) -> Any:
    """(V2, V3) to the plane at the reference point, a map there, and back."""
    from astropy.modeling.models import Const1D, Identity, Mapping, Scale
    from gwcs.geometry import CartesianToSpherical, SphericalToCartesian

    degrees = Scale(1 / 3600, name="arcsec_to_deg_1D")
    arcsec = Scale(3600.0, name="deg_to_arcsec_1D")
    flatten = (Mapping((0, 1, 2)) / Mapping((0, 0, 0), n_inputs=3)) | Mapping((1, 2))
    lift = Mapping((0, 0, 1), n_inputs=2) | (Const1D(1) & Identity(2))
    return (
        (degrees & degrees)
        | SphericalToCartesian(wrap_lon_at=180, name="s2c")
        | rotation
        | flatten
        | change
        | lift
        | back
        | CartesianToSpherical(wrap_lon_at=180, name="c2s")
        | (arcsec & arcsec)
    )


def cell_wcs(cell: SkyCell) -> Any:
    """The gwcs of a sky cell: TAN, PC = I, and RA increasing with +x.

    Returns
    -------
    gwcs.WCS
        Frames detector -> world, with bounding box and array shape.
    """
    from astropy import coordinates, units
    from astropy.modeling.models import Pix2Sky_TAN
    from gwcs import WCS
    from gwcs.coordinate_frames import CelestialFrame, Frame2D
    from gwcs.fitswcs import FITSImagingWCSTransform

    transform = FITSImagingWCSTransform(
        Pix2Sky_TAN(),
        crpix=[cell.x0, cell.y0],
        crval=[cell.ra_projection, cell.dec_projection],
        cdelt=[cell.scale, cell.scale],
        pc=np.eye(2),
    )
    detector = Frame2D(name="detector", axes_names=("x", "y"), unit=(units.pix, units.pix))
    degrees = (units.deg, units.deg)
    world = CelestialFrame(reference_frame=coordinates.ICRS(), name="world", unit=degrees)
    wcs = WCS([(detector, transform), (world, None)], name=cell.name)
    wcs.bounding_box = ((-0.5, cell.pixels - 0.5), (-0.5, cell.pixels - 0.5))
    wcs.array_shape = (cell.pixels, cell.pixels)
    return wcs
