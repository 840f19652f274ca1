"""Light curves: the factor by which a source's flux is multiplied at a time t.

Sinusoid: 1 + a sin(2 pi (t - t0) / P). Sawtooth: 1 + a s, with s from -1 to 1 and back once
a period. Flare: 1 + a f, f a linear rise to 1 at t0, then exp(-(t - t0) / tau).
Microlensing of one point lens: 1 - b + b (u^2 + 2) / (u sqrt(u^2 + 4)) with
u^2 = u0^2 + ((t - t0) / tE)^2 (Paczynski 1986, ApJ 304, 1) and b the lensed share.

Supernova of type Ia, p = (t - t0) / ((1 + z) s) days in its frame, 1 at the peak:

    p < 0    (1 + p / 17)^2                                            (fireball)
    p > 0    (1 - k) exp(-p^2 / 2 w^2) + k exp(-p / 60) + h g(p)

with k = 0.13 and w = 9.8 days, so that in B the decline is 1.1 mag at p = 15 and about 3 mag
at p = 45, as of a normal SN Ia (Phillips 1993, ApJ 413, L105); g is the second maximum
in the near infrared, a Gaussian at p = 26, h = 0 below 0.6 um and 0.4 from 1.0 um of rest
wavelength.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.instrument.filters import effective_area

Floats = NDArray[np.float64]

_RISE: Final = 17.0
_TAIL: Final = (0.13, 60.0)
_WIDTH: Final = 9.8
_SECOND: Final = (26.0, 8.0)


class LightCurve(Protocol):
    """Anything with a factor at a time."""

    def factor(self, mjd: ArrayLike, element: str) -> Floats:
        """Flux over the scene's flux at ``mjd`` (days, UTC), in a filter."""


class Sinusoid(StepConfig):
    """A periodic variable whose flux follows a sine."""

    kind: Literal["sinusoid"] = "sinusoid"
    amplitude: float = Field(ge=0, le=1, description="Of the flux, over its mean")
    period: float = Field(gt=0, description="Days")
    t0: float = Field(0.0, description="MJD of mean flux, rising")

    def factor(self, mjd: ArrayLike, element: str) -> Floats:
        """Flux over the scene's flux at ``mjd``."""
        phase = 2 * np.pi * (np.asarray(mjd, float) - self.t0) / self.period
        return np.asarray(1 + self.amplitude * np.sin(phase))


class Sawtooth(StepConfig):
    """A periodic variable that brightens and fades at constant rates, as RR Lyrae stars."""

    kind: Literal["sawtooth"] = "sawtooth"
    amplitude: float = Field(ge=0, le=1, description="Of the flux, over its mean")
    period: float = Field(gt=0, description="Days")
    rise: float = Field(0.15, gt=0, lt=1, description="Share of the period that brightens")
    t0: float = Field(0.0, description="MJD of a maximum")

    def factor(self, mjd: ArrayLike, element: str) -> Floats:
        """Flux over the scene's flux at ``mjd``."""
        phase = (np.asarray(mjd, float) - self.t0) / self.period % 1
        fading = 1 - 2 * phase / (1 - self.rise)
        rising = 1 - 2 * (1 - phase) / self.rise
        return 1 + self.amplitude * np.where(phase < 1 - self.rise, fading, rising)


class Flare(StepConfig):
    """One flare: a short rise, an exponential decay."""

    kind: Literal["flare"] = "flare"
    amplitude: float = Field(gt=0, description="Of the flux at the peak, over the quiet flux")
    t0: float = Field(description="MJD of the peak")
    rise: float = Field(0.001, gt=0, description="Days from the quiet flux to the peak")
    decay: float = Field(0.02, gt=0, description="Days in which it falls to 1/e")

    def factor(self, mjd: ArrayLike, element: str) -> Floats:
        """Flux over the scene's flux at ``mjd``."""
        days = np.asarray(mjd, float) - self.t0
        rising = np.clip(1 + days / self.rise, 0, 1)
        fading = np.exp(-np.maximum(days, 0) / self.decay)
        return 1 + self.amplitude * np.where(days < 0, rising, fading)


class Supernova(StepConfig):
    """A supernova like those of type Ia; the scene's flux is that at the peak."""

    kind: Literal["supernova"] = "supernova"
    t0: float = Field(description="MJD of the peak")
    redshift: float = Field(0.0, ge=0, description="Stretches time by 1 + z, selects the band")
    stretch: float = Field(1.0, gt=0, description="Stretches time")

    def factor(self, mjd: ArrayLike, element: str) -> Floats:
        """Flux over that at the peak at ``mjd``: 0 before the explosion."""
        days = (np.asarray(mjd, float) - self.t0) / ((1 + self.redshift) * self.stretch)
        second = 0.4 * np.clip((pivot(element) / (1 + self.redshift) - 0.6) / 0.4, 0, 1)
        share, decay = _TAIL
        rising = np.clip(1 + days / _RISE, 0, None) ** 2
        late = np.maximum(days, 0)
        fading = (1 - share) * np.exp(-0.5 * (late / _WIDTH) ** 2) + share * np.exp(-late / decay)
        bump = np.exp(-0.5 * ((late - _SECOND[0]) / _SECOND[1]) ** 2)
        start = np.exp(-0.5 * (_SECOND[0] / _SECOND[1]) ** 2)
        return np.where(days < 0, rising, fading + second * (bump - start * np.exp(-late / 5)))


class Microlensing(StepConfig):
    """A point lens passing before a point source."""

    kind: Literal["microlensing"] = "microlensing"
    t0: float = Field(description="MJD of the least separation")
    u0: float = Field(gt=0, description="Least separation, Einstein radii")
    te: float = Field(gt=0, description="Days to cross the Einstein radius")
    lensed: float = Field(1.0, ge=0, le=1, description="Share of the flux that is lensed")

    def factor(self, mjd: ArrayLike, element: str) -> Floats:
        """Flux over the scene's flux at ``mjd``."""
        u2 = self.u0**2 + ((np.asarray(mjd, float) - self.t0) / self.te) ** 2
        return 1 + self.lensed * ((u2 + 2) / np.sqrt(u2 * (u2 + 4)) - 1)


class Tabulated(StepConfig):
    """Points joined by straight lines; the first and the last value hold beyond them."""

    kind: Literal["table"] = "table"
    mjd: tuple[float, ...] = Field(min_length=1, description="Ascending")
    value: tuple[Annotated[float, Field(ge=0)], ...] = Field(description="Flux over the scene's")

    @model_validator(mode="after")
    def _matching(self) -> Tabulated:
        if len(self.mjd) != len(self.value) or (np.diff(self.mjd) <= 0).any():
            raise ValueError("needs as many values as times, and ascending times")
        return self

    def factor(self, mjd: ArrayLike, element: str) -> Floats:
        """Flux over the scene's flux at ``mjd``."""
        return np.asarray(np.interp(np.asarray(mjd, float), self.mjd, self.value))


Curve: TypeAlias = Sinusoid | Sawtooth | Flare | Supernova | Microlensing | Tabulated
_ADAPTER: Final[TypeAdapter[Curve]] = TypeAdapter(Annotated[Curve, Field(discriminator="kind")])


def light_curve(values: dict[str, Any]) -> Curve:
    """The light curve of a dictionary, such as ``model_dump`` of one gives.

    Raises
    ------
    InputError
        If ``kind`` or a parameter is unknown or out of bounds.
    """
    try:
        return _ADAPTER.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"a light curve: {where}: {first['msg']}") from error


@cache
def pivot(element: str) -> float:
    """Pivot wavelength, micrometre, in the first detector."""
    wave, area = effective_area("WFI01", element)
    return float(np.sqrt((area * wave).sum() / (area / wave).sum()))
