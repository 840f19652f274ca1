"""How well the simulated instrument has been calibrated.

The defaults describe a ground and commissioning program of 100 darks, as in the second
thermal vacuum test, and some flat fields of each filter. Where the error follows from
photon and read noise it is computed from the number of exposures; where it is of the
method it is given.
"""

from __future__ import annotations

from pydantic import Field

from aqueduct.core.config import StepConfig


class ReferenceConfig(StepConfig):
    """Errors of the calibration. All are RMS, of normal distributions."""

    darks: int = Field(100, ge=1, description="Darks of 55 reads, 170 s each")
    flat: float = Field(
        0.002, ge=0, description="Relative error of a pixel's flat field: 250 000 electrons"
    )
    illumination: float = Field(
        0.25, ge=0, le=1, description="Share of that variance which is smooth: the lamp's beam"
    )
    gain: float = Field(0.003, ge=0, description="Relative error of the gain, by mean-variance")
    gain_pairs: int = Field(20, ge=1, description="Pairs of flats from which the gain is made")
    linearity: float = Field(
        0.01, ge=0, description="Relative error of a pixel's nonlinearity, from ramps of flats"
    )
    lamp: float = Field(
        0.1, ge=0, le=1, description="Share of that variance which is smooth: the lamp's drift"
    )
    integral: float = Field(
        0.1, ge=0, description="Error of the A/D correction on its scale of 64 codes, DN"
    )
    saturation: float = Field(0.003, ge=0, description="Relative error of the full well")
    margin: float = Field(
        0.98, gt=0, le=1, description="Saturation reference in units of the full well"
    )
    decay: float = Field(0.05, ge=0, description="Relative error of the decay after reset")
    ipc: float = Field(1e-4, ge=0, description="Error of an element of the capacitance kernel")
    weights: float = Field(
        0.01, ge=0, description="Relative error of a channel's weights of the reference amplifier"
    )
    missed: float = Field(0.02, ge=0, le=1, description="Share of bad pixels not in the mask")
    distortion: float = Field(5e-6, ge=0, description="Error of the distortion's linear elements")
    distortion_residual: float = Field(
        1.0, ge=0, description="Error of the distortion in terms of degree 2 to 4, mas"
    )
    photom: float = Field(0.002, ge=0, description="Relative error of a filter's zero point")
    jitter: float = Field(0.5, ge=0, description="Error of the PSF model's jitter, mas")
    defocus: float = Field(0.005, ge=0, description="Error of the PSF model's focus, waves")
    aberrations: float = Field(
        0.002, ge=0, description="Error of its astigmatism, coma, trefoil, spherical: each, waves"
    )
