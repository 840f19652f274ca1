"""Where the observatory is: near the second Lagrange point of the Sun and the Earth.

Position and velocity are those of the Earth, from the series that astropy holds, times
1.01: the observatory circles the Sun at 1.01 au with the Earth's angular speed. Its own
orbit about the Lagrange point adds up to 0.3 km/s, which is left out.
"""

from __future__ import annotations

from typing import Any, Final

_BEYOND: Final = 1.01


def ephemeris(time: Any) -> dict[str, Any]:
    """The ``ephemeris`` block of the metadata: barycentric, ICRS axes, km and km/s.

    Parameters
    ----------
    time : astropy.time.Time
    """
    from astropy.coordinates import get_body_barycentric_posvel

    place, motion = get_body_barycentric_posvel("earth", time, ephemeris="builtin")
    x, y, z = (float(value) for value in place.xyz.to_value("km") * _BEYOND)
    vx, vy, vz = (float(value) for value in motion.xyz.to_value("km/s") * _BEYOND)
    return {
        "ephemeris_reference_frame": "ICRS",
        "type": "PREDICTED",
        "time": float(time.mjd),
        "spatial_x": x,
        "spatial_y": y,
        "spatial_z": z,
        "velocity_x": vx,
        "velocity_y": vy,
        "velocity_z": vz,
    }
