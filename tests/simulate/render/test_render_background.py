from __future__ import annotations

import numpy as np
import pytest

from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.instrument.filters import background
from aqueduct.simulate.render import STRAY_LIGHT, background_rate, pixel_area


def test_pixel_area_is_that_of_the_sky(sky: PixelMap) -> None:
    area = pixel_area("WFI01")
    assert area.mean() == pytest.approx((0.11 / 206265) ** 2, rel=0.02)
    for x, y in ((10, 20), (2000, 3000), (4080, 100)):
        ra, dec = sky.to_sky([x - 0.5, x + 0.5, x, x], [y, y, y - 0.5, y + 0.5])
        east, north = np.radians(ra) * np.cos(np.radians(dec.mean())), np.radians(dec)
        sides = (east[1] - east[0], east[3] - east[2], north[1] - north[0], north[3] - north[2])
        solid = abs(sides[0] * sides[3] - sides[1] * sides[2])
        assert area[y, x] == pytest.approx(solid, rel=1e-5)


def test_background_follows_the_pixel_area() -> None:
    light, thermal = background("F158")
    rate = background_rate("F158", "WFI01", 2.0)
    level = 2 * light * (1 + STRAY_LIGHT)
    assert rate.mean(dtype=float) == pytest.approx(level + thermal, rel=1e-5)
    area = pixel_area("WFI01")
    np.testing.assert_allclose(rate - thermal, level * area / area.mean(), rtol=1e-5)


@pytest.mark.parametrize(("element", "least"), [("GRISM", 0.65), ("PRISM", 0.95)])
def test_dispersers_have_zodiacal_light_alone(element: str, least: float) -> None:
    rate = background_rate(element, "WFI01", stray_light=0.0)
    assert rate.mean(dtype=float) == pytest.approx(least, rel=1e-5)
