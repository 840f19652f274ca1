from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from pydantic import ValidationError
from sky_of_an_image import image, pixel_map

from aqueduct.core import dq
from aqueduct.core.errors import InputError, ReferenceError
from aqueduct.level2.user_mask import UserMaskConfig, user_mask
from aqueduct.products.references import RegionsReference
from aqueduct.products.window import BORDER, FRAME, SCIENCE
from aqueduct.references.regions import load_regions

MARK = dq.DO_NOT_USE | 1 << 30
SCALE = 0.11


def masked(tmp_path: Path, text: str, **options: Any) -> np.ndarray:
    file = tmp_path / "x.reg"
    file.write_text(text)
    return marked(RegionsReference(**load_regions(file)), **options)


def marked(regions: RegionsReference, config: UserMaskConfig | None = None) -> np.ndarray:
    given = image()
    made = user_mask(given, regions, config or UserMaskConfig())
    assert made.data is given.data
    return made.dq


def test_circle_on_the_sky(tmp_path: Path) -> None:
    x0, y0, radius = 1200.0, 900.0, 40.0
    ra, dec = pixel_map().to_sky(x0, y0)
    flags = masked(tmp_path, f'icrs\ncircle({ra:.9f},{dec:.9f},{radius * SCALE}")\n')
    y, x = np.mgrid[850:950, 1150:1250]
    alpha, delta = pixel_map().to_sky(x, y)
    east = (alpha - ra) * np.cos(np.radians(dec)) * 3600
    inside = np.hypot(east, (delta - dec) * 3600) < radius * SCALE
    edge = np.abs(np.hypot(east, (delta - dec) * 3600) - radius * SCALE) < 0.01
    part = flags[850:950, 1150:1250]
    assert ((part == MARK) == inside)[~edge].all()
    assert (flags != 0).sum() == (part != 0).sum() > 4000


def test_polygon_over_the_edge_and_one_far_away(tmp_path: Path) -> None:
    corners = pixel_map().to_sky([0.0, 100.0, 100.0, 0.0], [50.0, 50.0, 150.0, 150.0])
    # the left side is moved off the image along the rows
    ra, dec = np.array(corners)
    beyond = np.array([ra[0] + 3 * (ra[0] - ra[1]), ra[1], ra[2], ra[3] + 3 * (ra[3] - ra[2])])
    down = np.array(
        [dec[0] + 3 * (dec[0] - dec[1]), dec[1], dec[2], dec[3] + 3 * (dec[3] - dec[2])]
    )
    text = ",".join(f"{a:.9f},{d:.9f}" for a, d in zip(beyond, down, strict=True))
    flags = masked(tmp_path, f'fk5\npolygon({text})\ncircle(10.0,-30.0,20")\n')
    assert (flags[60:140, 0:95] == MARK).all()
    assert not flags[:40].any() and not flags[:, 110:].any()


def test_image_coordinates_and_exclusion(tmp_path: Path) -> None:
    # DS9 counts pixels from one.
    flags = masked(tmp_path, "image\nbox(101,51,21,11,0)\n-box(101,51,3,3,0)\n")
    assert (flags[46:55, 91:110] == MARK).sum() == 9 * 19 - 9
    assert not flags[49:52, 99:102].any() and not flags[:44].any()


def test_a_tag_names_the_detectors(tmp_path: Path) -> None:
    both = "image\ncircle(50,50,5) # tag={WFI02}\ncircle(150,50,5) # tag={wfi01}\n"
    flags = masked(tmp_path, both)
    assert not flags[:, :100].any() and flags[49, 149] == MARK


def test_flags_are_chosen(tmp_path: Path) -> None:
    config = UserMaskConfig(flags=("OUTLIER",))
    assert masked(tmp_path, "image\ncircle(50,50,5)\n", config=config).max() == dq.OUTLIER
    with pytest.raises(ValidationError, match="no flag NONE_SUCH"):
        UserMaskConfig(flags=("NONE_SUCH",))


@pytest.mark.parametrize("frame", [True, False])
def test_fits_mask(tmp_path: Path, frame: bool) -> None:
    side, at = (FRAME, BORDER) if frame else (SCIENCE, 0)
    values = np.zeros((side, side), np.uint8)
    values[at + 7, at + 9] = 3
    fits.PrimaryHDU(values).writeto(tmp_path / "m.fits")
    flags = marked(RegionsReference(**load_regions(tmp_path / "m.fits", "WFI01")))
    assert flags[7, 9] == MARK and (flags != 0).sum() == 1


def test_fits_mask_of_another_detector(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(np.ones((SCIENCE, SCIENCE), np.uint8))
    hdu.header["DETECTOR"] = "WFI02"
    hdu.writeto(tmp_path / "m.fits")
    assert not marked(RegionsReference(**load_regions(tmp_path / "m.fits", "WFI01"))).any()


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no area"):
        masked(tmp_path, "image\npoint(50,50)\n")
    fits.PrimaryHDU(np.zeros((10, 10))).writeto(tmp_path / "small.fits")
    with pytest.raises(ReferenceError, match="10"):
        load_regions(tmp_path / "small.fits")
    (tmp_path / "no.fits").write_text("no")
    with pytest.raises(ReferenceError, match="no FITS"):
        load_regions(tmp_path / "no.fits")
