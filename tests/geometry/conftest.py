import pytest

from aqueduct.geometry.pointing import Pointing
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.wcs import detector_wcs


@pytest.fixture(scope="session")
def pointing():
    return Pointing(270.0, 66.0, 30.0)


@pytest.fixture(scope="session")
def wcsinfo(pointing):
    return pointing.wcsinfo("WFI07")


@pytest.fixture(scope="session")
def wcs(wcsinfo):
    return detector_wcs(aperture("WFI07").model(), wcsinfo, scale_factor=1.00005)
