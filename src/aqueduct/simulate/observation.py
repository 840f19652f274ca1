"""One exposure of one detector: what was asked for, and the metadata that say so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from aqueduct.geometry.pointing import Pointing, observatory_velocity, velocity_aberration
from aqueduct.geometry.tangent import TangentPlane
from aqueduct.instrument.dispersers import ORDERS
from aqueduct.instrument.ephemeris import ephemeris
from aqueduct.instrument.matables import MATable, Mode
from aqueduct.products.meta import Meta
from aqueduct.products.names import ExposureName, VisitId

REFERENCE_FILES = (
    "apcorr",
    "area",
    "bam",
    "dark",
    "darkdecaysignal",
    "distortion",
    "epsf",
    "flat",
    "gain",
    "integralnonlinearity",
    "inverselinearity",
    "linearity",
    "mask",
    "photom",
    "readnoise",
    "refpix",
    "saturation",
)
_ABSENT = -999999
"""What the official schemas write for an integer that is not known."""


@dataclass(frozen=True)
class Observation:
    """An exposure of one detector.

    Attributes
    ----------
    visit : VisitId
    exposure : int
        Number within the visit, from 1.
    detector, optical_element : str
    table : MATable
    start_time : astropy.time.Time
        Of the first read.
    pointing : Pointing
        As recorded in the metadata.
    true_pointing : Pointing
        Where the telescope really pointed; differs by the error of the star tracker.
    exposures : int
        Exposures in the visit.
    """

    visit: VisitId
    exposure: int
    detector: str
    optical_element: str
    table: MATable
    start_time: Any
    pointing: Pointing
    true_pointing: Pointing
    exposures: int = 1

    @property
    def dispersed(self) -> bool:
        """Whether it is taken through the grism or the prism."""
        return self.optical_element in ORDERS

    @property
    def seconds(self) -> float:
        """From the first read to the last."""
        return self.table.accumulated_exposure_time[-1]

    @property
    def end_time(self) -> Any:
        return self.after(self.seconds)

    def after(self, seconds: float) -> Any:
        """The time so long after the start."""
        from astropy.time import TimeDelta

        return self.start_time + TimeDelta(seconds, format="sec")

    @property
    def name(self) -> ExposureName:
        return ExposureName(self.visit, self.exposure, self.detector, self.optical_element)


def moved(pointing: Pointing, east: float, north: float, roll: float) -> Pointing:
    """``pointing`` displaced by ``east`` and ``north`` and turned by ``roll``, arcsec."""
    ra, dec = TangentPlane(pointing.ra, pointing.dec, scale=1 / 3600).to_sky(east, north)
    return replace(pointing, ra=float(ra), dec=float(dec), pa=pointing.pa + roll / 3600)


def metadata(observation: Observation, jitter: float) -> Meta:
    """All metadata that RAD requires of a Level 1 file (``wfi_science_raw-2.2.0``).

    Parameters
    ----------
    observation : Observation
    jitter : float
        RMS jitter, mas.
    """
    orbit = ephemeris(observation.start_time)
    wcsinfo = observation.pointing.wcsinfo(observation.detector)
    return {
        **_basic(observation),
        "coordinates": {"reference_frame": "ICRS"},
        "ephemeris": orbit,
        "exposure": _exposure(observation),
        "guide_star": _guide_star(observation.table.mode, jitter),
        "instrument": {
            "name": "WFI",
            "detector": observation.detector,
            "optical_element": observation.optical_element,
        },
        "observation": _observation(observation),
        "pointing": observation.pointing.meta(),
        "program": {
            "title": "Simulated sky",
            "investigator_name": "Aqueduct",
            "category": "CAL",
            "subcategory": "None",
            "science_category": "None",
        },
        "ref_file": {
            **dict.fromkeys(REFERENCE_FILES, "N/A"),
            "crds": {"version": "N/A", "context": "N/A"},
        },
        "rcs": {"active": False, "electronics": None, "bank": None, "led": None, "counts": 0},
        "velocity_aberration": velocity_aberration(
            wcsinfo["ra_ref"], wcsinfo["dec_ref"], observatory_velocity(orbit)
        ),
        "visit": _visit(observation),
        "wcsinfo": wcsinfo,
    }


def _basic(observation: Observation) -> Meta:
    return {
        "calibration_software_name": "Aqueduct",
        "calibration_software_version": version("roman-aqueduct"),
        "product_type": "l1",
        "filename": observation.name.file("uncal"),
        # The end of the exposure: a simulation made again must be the same to the bit.
        "file_date": observation.end_time,
        "model_type": "ScienceRawModel",
        "origin": "STSCI/SOC",
        "prd_version": "N/A",
        "sdf_software_version": "N/A",
        "telescope": "ROMAN",
    }


def _exposure(observation: Observation) -> Meta:
    table = observation.table
    return {
        "type": "WFI_SPECTRAL" if observation.dispersed else "WFI_IMAGE",
        "start_time": observation.start_time,
        "end_time": observation.end_time,
        "engineering_quality": "OK",
        "ma_table_id": table.identifier,
        "nresultants": len(table.read_pattern),
        "data_problem": None,
        "frame_time": table.frame_time,
        "exposure_time": table.accumulated_exposure_time[-1],
        "effective_exposure_time": table.effective_exposure_time[-1],
        "ma_table_name": table.name,
        "ma_table_number": table.number,
        "read_pattern": [list(reads) for reads in table.read_pattern],
        "truncated": False,
        "hga_move": False,
    }


def _guide_star(mode: Mode, jitter: float) -> Meta:
    corners = ("window_xstart", "window_ystart", "window_xstop", "window_ystop")
    return {
        "guide_window_id": "N/A",
        "guide_mode": f"{mode}-TRACK",
        **dict.fromkeys(corners, _ABSENT),
        "guide_star_id": "N/A",
        "epoch": "2016.0",
        "jitter_major": jitter,
        "jitter_minor": jitter,
        "jitter_position_angle": 0.0,
    }


def _observation(observation: Observation) -> Meta:
    visit = observation.visit
    group, sequence, activity = 1, 1, "01"
    return {
        "observation_id": f"{visit}{group:02d}{sequence:01d}{activity}{observation.exposure:04d}",
        "visit_id": str(visit),
        "program": visit.program,
        "execution_plan": visit.plan,
        "pass": visit.pass_,
        "segment": visit.segment,
        "observation": visit.observation,
        "visit": visit.visit,
        "visit_file_group": group,
        "visit_file_sequence": sequence,
        "visit_file_activity": activity,
        "exposure": observation.exposure,
        "wfi_parallel": False,
    }


def _visit(observation: Observation) -> Meta:
    return {
        "dither": {"primary_name": None, "subpixel_name": None, "executed_pattern": None},
        "type": "PRIME_TARGETED_FIXED",
        "start_time": observation.start_time,
        "nexposures": observation.exposures,
        "internal_target": False,
        "wfi_acm_z_defocus_size": None,
    }


def pointing_error(
    size: float, roll: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Draw an error of the pointing: east, north (RMS ``size``) and roll, arcsec."""
    east, north = size * rng.standard_normal(2)
    return float(east), float(north), float(roll * rng.standard_normal())
