"""Data cubes as sources: surface brightness by wavelength and place.

    rate [electron/s] = Omega integral f_lambda A(lambda) lambda / (h c) dlambda

with f_lambda in erg/s/cm^2/A/arcsec^2, linear between the cube's wavelengths, A the effective
area and Omega the solid angle of a cube pixel. The integral is linear in the cube, so it
is a sum over its planes with weights that the band alone decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.instrument.filters import effective_area, njy_per_electron
from aqueduct.instrument.spectrum import HC
from aqueduct.simulate.scene.images import ImageTemplate
from aqueduct.simulate.scene.scene import IMAGE, Scene

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cube:
    """A data cube on the sky.

    Attributes
    ----------
    data : ndarray, (wavelength, y, x)
        erg/s/cm^2/A/arcsec^2.
    wavelength : ndarray, (wavelength,)
        um in vacuum, ascending.
    scale : float
        Arcsec per pixel.
    ra, dec : float
        ICRS degrees of its middle, ((nx - 1) / 2, (ny - 1) / 2).
    rotation : float
        Degrees from north through east to its +y axis; at 0, +x is west.
    """

    data: Floats
    wavelength: Floats
    scale: float
    ra: float
    dec: float
    rotation: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", np.asarray(self.data))
        object.__setattr__(self, "wavelength", np.asarray(self.wavelength, float))
        wave = self.wavelength
        if self.data.ndim != 3 or wave.shape != self.data.shape[:1] or len(wave) < 2:
            raise InputError(
                f"a cube of shape {self.data.shape} with {wave.shape} wavelengths",
                hint="give (wavelength, y, x) and two wavelengths or more",
            )
        if not (np.isfinite(self.data).all() and (self.data >= 0).all()):
            raise InputError("a cube with negative values or NaN", hint="mask them to zero")
        if not ((np.diff(wave) > 0).all() and wave[0] > 0 and self.scale > 0):
            raise InputError("wavelengths of a cube must ascend, its scale be positive")


def rate_image(cube: Cube, detector: str, element: str) -> Floats:
    """Electron/s from each pixel of a cube in an optical element, (y, x).

    Raises
    ------
    InputError
        If the cube does not cover the element's band but for 1 % of its light.
    """
    if not covers(cube, detector, element):
        low, high = cube.wavelength[[0, -1]]
        raise InputError(
            f"the cube, from {low:.3f} to {high:.3f} um, does not cover {element}",
            hint="extend it with planes of zeros if there is no light",
        )
    weights = _weights(cube.wavelength, detector, element)
    image = np.tensordot(weights, cube.data, axes=(0, 0))
    return np.asarray(image * cube.scale**2)


def scene_of_cube(cube: Cube, elements: tuple[str, ...], detector: str = "WFI01") -> Scene:
    """A scene with one image a filter: the cube as a broad-band source in each.

    Each element has its own image, which shines in it alone, so that colours within the
    cube are kept.
    """
    images, flux = [], []
    for k, element in enumerate(elements):
        image = rate_image(cube, detector, element)
        images.append(ImageTemplate(image.astype(np.float32), cube.scale))
        total = np.zeros(len(elements))
        total[k] = image.sum() * njy_per_electron(detector, element)
        flux.append(total)
    number = len(elements)
    return Scene(
        ra=np.full(number, cube.ra),
        dec=np.full(number, cube.dec),
        kind=np.full(number, IMAGE, np.uint8),
        flux=dict(zip(elements, flux, strict=True)),
        position_angle=np.full(number, cube.rotation),
        images=tuple(images),
        image=np.arange(number, dtype=np.int32),
    )


def _weights(wavelength: Floats, detector: str, element: str) -> Floats:
    """Electron/s per erg/s/cm^2/A in each plane."""
    wave, area = effective_area(detector, element)
    edges = np.union1d(wave, wavelength)
    edges = edges[(edges >= wave[0]) & (edges <= wave[-1])]
    # Gauss's three points are exact for the product of two lines and lambda.
    nodes = np.array([-np.sqrt(0.6), 0.0, np.sqrt(0.6)])
    share = np.array([5.0, 8.0, 5.0]) / 18
    middle, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    fine = (middle[:, None] + 0.5 * width[:, None] * nodes).ravel()
    step = (width[:, None] * share).ravel()
    # m^2 to cm^2 and um to A: 1e4 each.
    photons = 1e8 * np.interp(fine, wave, area) * fine / HC * step
    inside = (fine >= wavelength[0]) & (fine <= wavelength[-1])
    fine, photons = fine[inside], photons[inside]
    low = np.clip(np.searchsorted(wavelength, fine) - 1, 0, len(wavelength) - 2)
    part = (fine - wavelength[low]) / (wavelength[low + 1] - wavelength[low])
    number = len(wavelength)
    planes = np.zeros(number)
    np.add.at(planes, low, photons * (1 - part))
    np.add.at(planes, low + 1, photons * part)
    return planes


def covers(cube: Cube, detector: str, element: str) -> bool:
    """Whether at most 1 % of an element's band is beyond the cube's wavelengths."""
    wave, area = effective_area(detector, element)
    outside = (wave < cube.wavelength[0]) | (wave > cube.wavelength[-1])
    return bool((area * wave)[outside].sum() <= 0.01 * (area * wave).sum())
