"""How bright the sky behind the sources is, as configured.

With z the zodiacal light in units of its minimum Z over the sky, and s the stray light::

    light = z (1 + s) Z          see :mod:`aqueduct.simulate.render.background`
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import ConfigError
from aqueduct.instrument.zodiacal import zodiacal
from aqueduct.simulate.render import STRAY_LIGHT


class SkyConfig(StepConfig):
    """Zodiacal and stray light: z and s."""

    zodiacal: Annotated[float, Field(ge=0)] | Literal["date"] = Field(
        1.5, description="Zodiacal light in units of its minimum; date: of place and date"
    )
    stray_light: float = Field(
        STRAY_LIGHT, ge=0, description="Stray light as a share of the zodiacal light"
    )

    def level(self, ra: float, dec: float, time: Any, element: str) -> float:
        """Zodiacal light at a place (ICRS degrees) and time, in units of its minimum.

        Raises
        ------
        ConfigError
            If it depends on the date, and no time is given.
        InputError
            As :func:`aqueduct.instrument.zodiacal.zodiacal`.
        """
        if self.zodiacal != "date":
            return self.zodiacal
        if time is None:
            raise ConfigError("zodiacal light of a date, but no date is given")
        return zodiacal(ra, dec, time, element)
