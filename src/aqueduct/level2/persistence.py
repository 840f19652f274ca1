"""Flag pixels that still release charge of earlier exposures.

Each earlier exposure left x = rate * time * gain electrons in a pixel (a saturated one, its
full well); after t seconds it releases P(x, t) (:mod:`aqueduct.instrument.persistence`), and

    sum P(x, t) / gain > threshold * err                       [DN/s]

marks the pixel PERSISTENCE. Nothing is subtracted: the decay is a detector's median, and
pixels differ.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.core.threads import bands, over
from aqueduct.instrument.noise import FULL_WELL
from aqueduct.instrument.noise import persistence as measured
from aqueduct.instrument.persistence import decay, response
from aqueduct.products import Image
from aqueduct.products.references import GainReference, HistoryReference, PastExposure
from aqueduct.products.window import Window, cut

_BAND = 64
_DAY = 86400.0


class PersistenceConfig(StepConfig):
    """Parameters of :func:`persistence`."""

    threshold: float = Field(
        0.5, gt=0, description="Least expected persistence that is flagged, in units of err"
    )
    window: float = Field(3600.0, gt=0, description="Seconds after which an exposure is forgotten")


@step(shape="frame")
def persistence(
    image: Image, history: HistoryReference, gain: GainReference, config: PersistenceConfig
) -> Image:
    """Flag pixels with persistence from earlier exposures of the same detector.

    Parameters
    ----------
    image : Image
        DN/s.
    history : HistoryReference
        Calibrated earlier exposures; those outside the window are passed over.
    gain : GainReference
        e/DN.
    config : PersistenceConfig

    Returns
    -------
    Image
        With PERSISTENCE set in ``dq``; ``meta.persistence`` names the exposures it is from.
    """
    start = float(image.exposure.start_time.utc.mjd)
    past = [
        (_part(one, image.window), seconds)
        for one in history.exposures
        if 0 < (seconds := (start - one.end) * _DAY) <= config.window
    ]
    if not past:
        return image
    model = measured(image.exposure.detector)
    middle = image.exposure.frame_time * image.exposure.read_pattern[-1][-1] / 2
    terms = [(one, float(decay(model, seconds + middle))) for one, seconds in past]
    electrons = np.asarray(cut(gain.data, image.window), np.float32)
    flags = image.dq.copy()

    def band(limits: tuple[int, int]) -> None:
        rows = slice(*limits)
        expected = sum(rate * response(_fluence(one, rows, electrons[rows])) for one, rate in terms)
        limit = config.threshold * image.err[rows].astype(np.float32) * electrons[rows]
        flags[rows] |= (expected > limit) * np.uint32(dq.PERSISTENCE)

    over(band, bands(len(flags), _BAND))
    names = [one.name for one, _ in past]
    return replace(image, dq=flags, meta={**image.meta, "persistence": {"exposures": names}})


def _part(past: PastExposure, window: Window) -> PastExposure:
    return replace(past, rate=cut(past.rate, window), dq=cut(past.dq, window))


def _fluence(past: PastExposure, rows: slice, gain: NDArray[Any]) -> NDArray[np.float32]:
    """Electrons that an earlier exposure left in some rows."""
    left = np.asarray(past.rate[rows], np.float32) * np.float32(past.seconds) * gain
    full = ~np.isfinite(left) | ((past.dq[rows] & dq.SATURATED) != 0)
    return np.where(full, np.float32(FULL_WELL), left)
