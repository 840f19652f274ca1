import numpy as np
import pytest

from aqueduct.psf import Epsf


def epsf_of(sigma, oversample=4, reach=10):
    """Gaussian ePSF on one position, exact by construction but for the pixel's shape."""
    half = reach * oversample
    axis = np.arange(-half, half + 1) / oversample
    line = np.exp(-0.5 * (axis / sigma) ** 2)
    stamp = np.outer(line, line)
    stamp *= oversample**2 / stamp.sum()
    return Epsf(stamp[None].astype(np.float32), oversample, np.zeros(1), np.zeros(1))


@pytest.fixture(scope="session")
def sharp_epsf():
    """FWHM 1.2 pixels: as undersampled as the bluest filters."""
    return epsf_of(0.5)


@pytest.fixture(scope="session")
def stars(sharp_epsf):
    """A field of stars on a grid of 20 pixels, in white noise of known variance."""
    rng = np.random.default_rng(42)
    side, grid = 600, np.arange(15, 590, 20.0)
    y, x = (axis.ravel() + rng.uniform(-3, 3, grid.size**2) for axis in np.meshgrid(grid, grid))
    flux = 10 ** rng.uniform(0.5, 3, x.size)
    image = np.zeros((side, side), np.float32)
    sharp_epsf.render(x, y, flux, image)
    sky = np.full_like(image, 0.05**2)
    variance = sky + np.float32(0.004) * image
    data = (image + rng.normal(size=image.shape) * np.sqrt(variance)).astype(np.float32)
    return {"x": x, "y": y, "flux": flux, "data": data, "variance": variance, "sky": sky}
