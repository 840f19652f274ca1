from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.geometry.siaf import aperture
from aqueduct.instrument.dispersers import (
    ORDERS,
    UNDEVIATED,
    dispersion,
    trace,
)
from aqueduct.instrument.filters import effective_area


@pytest.mark.parametrize("element", ["GRISM", "PRISM"])
def test_trace_is_the_integral_of_the_published_dispersion(element: str) -> None:
    wave, per_pixel = dispersion(element)
    for end in (wave[0], 1.1, 1.4, 1.7, wave[-1]):
        fine = np.linspace(UNDEVIATED, end, 100_001)
        expected = np.trapezoid(1 / np.interp(fine, wave, per_pixel), fine)
        assert trace(element).to_offset(end) == pytest.approx(expected, abs=1e-3)
    assert trace(element).to_offset(UNDEVIATED) == pytest.approx(0.0, abs=1e-9)


def test_resolution_is_that_of_the_published_summary() -> None:
    wave, per_pixel = dispersion("GRISM")
    np.testing.assert_allclose(wave / (2 * per_pixel), 461 * wave, rtol=0.02)
    wave, per_pixel = dispersion("PRISM")
    resolution = wave / (2 * per_pixel)
    assert resolution.min() > 79 and resolution.max() < 181


@pytest.mark.parametrize("order", ["GRISM", "GRISM0", "PRISM"])
def test_offset_and_wavelength_are_inverse(order: str) -> None:
    wave = effective_area("WFI09", order)[0]
    back = trace(order).to_wavelength(trace(order).to_offset(wave))
    np.testing.assert_allclose(back, wave, atol=1e-12)
    assert (np.diff(trace(order).to_offset(wave)) > 0).all()


def test_zeroth_order_is_short_and_blue_of_the_first() -> None:
    low, high = trace("GRISM0").to_offset([1.0, 1.93])
    assert high - low == pytest.approx(35.5, abs=1)
    # The wavelength and its dispersion where the source's configuration gives them.
    assert trace("GRISM0").to_wavelength(-1359.0) == pytest.approx(1.5473, abs=1e-6)
    slope = np.diff(trace("GRISM0").to_wavelength([-1359.5, -1358.5]))[0]
    assert slope == pytest.approx(0.02639, rel=1e-3)
    assert high < trace("GRISM").to_offset(1.0) - 800


def test_columns_of_all_detectors_lie_along_the_dispersion() -> None:
    from galsim.roman.roman_wcs import sca_xc_mm, sca_yc_mm

    names = [f"WFI{number:02d}" for number in range(1, 19)]
    middle = [aperture(name).to_v2v3(2043.5, 2043.5) for name in names]
    # Focal plane, in mm, to the sky; y is the axis of dispersion.
    places = np.column_stack([np.ones(18), sca_xc_mm[1:], sca_yc_mm[1:]])
    _, _, axis = np.linalg.lstsq(places, np.array(middle), rcond=None)[0]
    for name in names:
        v2, v3 = aperture(name).to_v2v3([2043.5, 2053.5, 2043.5], [2043.5, 2043.5, 2053.5])
        along = np.array([[v2[1] - v2[0], v2[2] - v2[0]], [v3[1] - v3[0], v3[2] - v3[0]]])
        x, y = np.linalg.solve(along, axis)
        assert abs(np.degrees(np.arctan2(x, y))) < 1.2, name


def test_unknown_elements() -> None:
    for function in (trace, dispersion):
        with pytest.raises(InputError, match="PRISMA"):
            function("PRISMA")
    assert set(ORDERS) == {"GRISM", "PRISM"}
