from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.instrument.spectrum import Spectrum, electron_rate
from aqueduct.simulate.scene import IMAGE, Cube, ImageTemplate, rate_image, scene_of_cube

WAVE = np.linspace(0.4, 2.5, 43)
RNG = np.random.default_rng(3)
DATA = 1e-18 * RNG.uniform(0.5, 1.5, (len(WAVE), 4, 5))


@pytest.mark.parametrize("element", ["F062", "F146", "F213"])
def test_each_pixel_is_its_spectrum_through_the_band(element: str) -> None:
    cube = Cube(DATA, WAVE, 0.2, 10.0, 20.0)
    image = rate_image(cube, "WFI05", element)
    assert image.shape == (4, 5)
    for y, x in ((0, 0), (3, 1)):
        spectrum = Spectrum.from_flam(WAVE, DATA[:, y, x] * 0.2**2)
        assert image[y, x] == pytest.approx(electron_rate(spectrum, "WFI05", element), rel=1e-4)


def test_a_scene_of_a_cube_has_its_rates() -> None:
    cube = Cube(DATA, WAVE, 0.2, 10.0, 20.0, rotation=30.0)
    scene = scene_of_cube(cube, ("F106", "F184"))
    assert (scene.kind == IMAGE).all() and (scene.position_angle == 30.0).all()
    for k, element in enumerate(("F106", "F184")):
        image = rate_image(cube, "WFI01", element)
        rate = scene.rates("WFI01", element)
        assert rate[k] == pytest.approx(image.sum()) and rate[1 - k] == 0
        np.testing.assert_allclose(rate[k] * scene.images[k].image, image, rtol=1e-5)


def test_what_is_no_cube() -> None:
    with pytest.raises(InputError, match="shape"):
        Cube(DATA, WAVE[:-1], 0.2, 10.0, 20.0)
    with pytest.raises(InputError, match="ascend"):
        Cube(DATA, WAVE[::-1], 0.2, 10.0, 20.0)
    with pytest.raises(InputError, match="negative"):
        Cube(-DATA, WAVE, 0.2, 10.0, 20.0)
    with pytest.raises(InputError, match="does not cover F213"):
        rate_image(Cube(DATA[:30], WAVE[:30], 0.2, 10.0, 20.0), "WFI01", "F213")


def test_an_image_template_has_unit_sum() -> None:
    template = ImageTemplate(np.ones((3, 4)), 0.05)
    assert template.image.sum() == pytest.approx(1.0) and template.image.dtype == np.float32
    for wrong in (np.zeros((3, 3)), np.ones(3), np.full((2, 2), np.nan)):
        with pytest.raises(InputError):
            ImageTemplate(wrong, 0.05)
    with pytest.raises(InputError, match="scale"):
        ImageTemplate(np.ones((3, 4)), 0.0)
