import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.geometry.siaf import aperture
from aqueduct.instrument import DETECTORS

X, Y = np.meshgrid(np.linspace(-0.5, 4087.5, 25), np.linspace(-0.5, 4087.5, 25))


@pytest.fixture(scope="module")
def official():
    pysiaf = pytest.importorskip("pysiaf")
    return pysiaf.Siaf("Roman")


@pytest.mark.parametrize("detector", DETECTORS)
def test_agrees_with_pysiaf(detector, official):
    found = aperture(detector).to_v2v3(X, Y)
    expected = official[f"{detector}_FULL"].sci_to_tel(X + 1, Y + 1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("detector", DETECTORS)
def test_pixels_return_to_themselves(detector):
    here = aperture(detector)
    np.testing.assert_allclose(here.to_pixel(*here.to_v2v3(X, Y)), (X, Y), atol=2e-5)


def test_model_is_the_same_map():
    here = aperture("WFI11")
    model = here.model()
    np.testing.assert_allclose(model(X, Y), here.to_v2v3(X, Y), atol=1e-9)
    np.testing.assert_allclose(model.inverse(*model(X, Y)), (X, Y), atol=2e-5)


def test_reference_pixel_is_the_middle():
    here = aperture("WFI05")
    found = here.to_v2v3(2043.5, 2043.5)
    np.testing.assert_allclose(found, (here.v2_ref, here.v3_ref), atol=1e-12)


def test_unknown_aperture():
    with pytest.raises(InputError, match="WFI19"):
        aperture("WFI19")
