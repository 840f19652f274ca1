"""Template spectrum of a quasar: power laws, hot dust, and broad and narrow lines.

    f_nu ~ nu^-0.44 from 0.12 to 1 micrometre, nu^-1.6 below, and a black body of 1,260 K

Continuum and lines: Vanden Berk et al. 2001, AJ 122, 549, section 3.1 and table 2 (without
the blends of Fe II); far ultraviolet: Telfer et al. 2002, ApJ 565, 773; hot dust: Glikman
et al. 2006, ApJ 640, 579, set to outshine the disc beyond 1.7 micrometre.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.instrument.spectrum import planck
from aqueduct.simulate.spectra.grid import GRID, at, with_lines

Floats = NDArray[np.float64]

_BREAK: Final = 0.12
_EQUAL: Final = 1.7
"""Micrometre where the dust is as bright as the disc."""
_LINES: Final = np.array(
    [
        (1033.03, 9.77, 7.76),
        (1216.25, 92.91, 19.46),
        (1305.42, 1.66, 5.42),
        (1396.76, 8.13, 14.41),
        (1546.15, 23.78, 14.33),
        (1905.97, 21.19, 23.58),
        (2800.26, 32.28, 34.95),
        (3729.66, 1.56, 3.32),
        (3869.77, 1.38, 5.31),
        (4102.73, 5.05, 18.62),
        (4346.42, 12.62, 20.32),
        (4853.13, 46.21, 40.44),
        (4960.36, 3.50, 3.85),
        (5008.22, 13.23, 6.04),
        (5877.41, 4.94, 23.45),
        (6564.93, 194.52, 47.39),
    ]
)
"""Centre, equivalent width and standard deviation, Angstrom at rest."""


def quasar() -> Floats:
    """f_nu on the grid, about one at 0.55 micrometre."""
    disc = np.where(
        GRID > _BREAK, (GRID / 0.55) ** 0.44, (_BREAK / 0.55) ** 0.44 * (GRID / _BREAK) ** 1.6
    )
    dust = planck(GRID, 1260.0)
    equal = at(_EQUAL)
    return with_lines(disc + dust * disc[equal] / dust[equal], *(_LINES.T * 1e-4))


QUASARS: Final[dict[str, Callable[[], Floats]]] = {"quasar": quasar}
"""A maker for each kind."""
