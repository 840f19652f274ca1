from __future__ import annotations

import numpy as np
import pytest

from aqueduct.products import references as kinds


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A user cache and an environment of the test's own."""
    monkeypatch.setenv("AQUEDUCT_CACHE", str(tmp_path_factory.mktemp("cache")))
    for name in ("CRDS_CONTEXT", "CRDS_PATH", "AQUEDUCT_REFERENCES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def meta():
    from astropy.time import Time

    return {
        "instrument": {"name": "WFI", "detector": "WFI01", "optical_element": "F158"},
        "exposure": {"type": "WFI_IMAGE", "start_time": Time("2026-01-01T00:00:00")},
    }


@pytest.fixture
def photom():
    row = {
        "photmjsr": 0.68,
        "uncertainty": 0.01,
        "pixelareasr": 2.844e-13,
        "collecting_area": 3.757,
        "wavelength": np.array([1.5, 1.6], np.float32),
        "effective_area": np.array([1.9, 2.0], np.float32),
    }
    return kinds.PhotomReference(table={"F158": row})


@pytest.fixture
def epsf():
    psf = np.random.default_rng(0).random((1, 1, 2, 9, 9)).astype(np.float32)
    return kinds.EpsfReference(
        psf=psf,
        oversample=4,
        pixel_x=np.array([4.0, 4084.0]),
        pixel_y=np.array([4.0, 4084.0]),
        spectral_type=("G2V",),
        jitter=8.0,
    )
