from __future__ import annotations

import numpy as np
import pytest
from level3_frames import make_image, with_meta

from aqueduct.core.errors import InputError
from aqueduct.level3.flux import FluxConfig, flux


def counts(**planes):
    from dataclasses import replace

    image = with_meta(make_image(np.full((8, 8), 3.0), wcs=False), cal_step={"dark": "COMPLETE"})
    return replace(image, **planes)


def test_scales_values_and_variances():
    image = counts(dumo=np.full((8, 8), 2.0, np.float16))
    scaled = flux(image, FluxConfig())
    assert np.all(scaled.data == 1.5)
    assert np.all(scaled.dumo == 1.0)
    np.testing.assert_allclose(scaled.err, 0.5 * image.err, rtol=1e-6)
    np.testing.assert_allclose(scaled.var_poisson, 0.25 * image.var_poisson, rtol=1e-6)
    np.testing.assert_allclose(scaled.var_rnoise, 0.25 * image.var_rnoise, rtol=1e-6)
    assert np.all(image.data == 3.0)
    assert image.meta["cal_step"] == {"dark": "COMPLETE"}


def test_small_variances_survive_float16_input():
    image = counts(var_rnoise=np.full((8, 8), 1e-6, np.float16))
    expected = 0.25 * np.float32(np.float16(1e-6))
    np.testing.assert_allclose(flux(image, FluxConfig()).var_rnoise, expected, rtol=1e-6)


def test_flat_variance_is_scaled_too():
    image = counts(extras={"var_flat": np.full((8, 8), 4.0, np.float16), "amp33": np.ones(3)})
    extras = flux(image, FluxConfig()).extras
    assert np.all(extras["var_flat"] == 1.0)
    assert np.all(extras["amp33"] == 1.0)


def test_applying_it_twice_is_an_error():
    scaled = flux(counts(), FluxConfig())
    with pytest.raises(InputError, match="MJy/sr already"):
        flux(scaled, FluxConfig())


@pytest.mark.parametrize("factor", [None, -999999.0, float("nan")])
def test_unknown_conversion_is_an_error(factor):
    image = with_meta(counts(), photometry={"conversion_megajanskys": factor})
    with pytest.raises(InputError, match="conversion_megajanskys"):
        flux(image, FluxConfig())


def test_the_sky_level_of_level_2_is_dropped_for_it_has_another_unit():
    sky = {"level": 0.3, "method": "local", "subtracted": False}
    made = flux(with_meta(counts(), background=sky), FluxConfig())
    assert made.meta["background"] == {**sky, "level": None}
