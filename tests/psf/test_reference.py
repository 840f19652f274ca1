from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aqueduct.core.errors import ConfigError
from aqueduct.products.references import EpsfReference
from aqueduct.psf.blur import CAPACITANCE, Jitter
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.optical import OpticalModel
from aqueduct.psf.reference import WAVE, epsf_reference, extended_psf
from aqueduct.references import load, write_set


@pytest.fixture(scope="module")
def small() -> EpsfReference:
    return epsf_reference("WFI04", "F184", size=61, grid=(0.0,), defocus=(0, 1))


def test_layout(small: EpsfReference) -> None:
    assert small.psf.shape == (2, 3, 1, 61, 61)
    assert small.psf.dtype == np.float32
    assert small.spectral_type == ("A0V", "G2V", "M5V")
    np.testing.assert_allclose(small.psf.sum(axis=(-2, -1), dtype=float), 16, rtol=1e-6)


def test_planes_are_those_of_the_model(small: EpsfReference) -> None:
    model = OpticalModel("WFI04", "F184", defocus=WAVE, spectrum="M5V", ipc=True)
    truth = model.epsf(size=61, grid=(0.0,))
    np.testing.assert_array_equal(small.psf[1, 2], truth.psf)


def test_file_round_trip(small: EpsfReference, tmp_path: Path) -> None:
    write_set(tmp_path, [(small, "WFI04", "F184")])
    (path,) = tmp_path.rglob("*epsf*.asdf")
    seen = Epsf.from_reference(load(EpsfReference, path), "M5V", defocus=1)
    np.testing.assert_array_equal(seen.psf, small.psf[1, 2])
    assert seen.jitter == Jitter(8, 8)
    assert CAPACITANCE in seen.contents


def test_one_wave_is_peak_to_valley_at_2_micrometre() -> None:
    # Z4 runs from -sqrt(3) in the middle to sqrt(3) at the edge.
    assert WAVE * 2 * np.sqrt(3) * 1.293 == pytest.approx(2.0)


def test_jitter_must_be_round() -> None:
    with pytest.raises(ConfigError, match="round"):
        epsf_reference("WFI04", "F184", jitter=Jitter(8, 4))


def test_wings_hold_more_light() -> None:
    stamp = extended_psf("WFI04", "F184", size=721)
    inner = stamp[180:541, 180:541].sum(dtype=float)
    assert inner < stamp.sum(dtype=float) < 16
    assert stamp.shape == (721, 721)
