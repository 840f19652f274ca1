"""Several scenes as one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from aqueduct.core.errors import InputError
from aqueduct.simulate.scene.scene import COLUMNS, Scene

if TYPE_CHECKING:
    from aqueduct.simulate.spectra import SourceSpectra


def joined(*scenes: Scene) -> Scene:
    """All sources of ``scenes``, in order, with new ``id`` 0, 1, ...

    Fluxes are those in the filters that all have.

    Raises
    ------
    InputError
        If epochs or reference times differ, or only some have spectra.
    """
    scenes = tuple(scene for scene in scenes if len(scene)) or scenes[:1]
    first = scenes[0]
    for name in ("epoch", "reference_time"):
        if len({getattr(scene, name) for scene in scenes}) > 1:
            raise InputError(f"scenes of different {name} can't be joined")
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(scene, name) for scene in scenes]) for name in COLUMNS
    }
    columns["id"] = np.arange(len(columns["ra"]))
    for name, whole in (("image", "images"), ("light_curve", "light_curves")):
        before = np.cumsum([0, *(len(getattr(scene, whole)) for scene in scenes)])
        shifted = [
            np.where(getattr(scene, name) >= 0, getattr(scene, name) + start, -1)
            for scene, start in zip(scenes, before, strict=False)
        ]
        columns[name] = np.concatenate(shifted)
    common = [element for element in first.flux if all(element in s.flux for s in scenes)]
    return replace(
        first,
        **columns,
        flux={e: np.concatenate([scene.flux[e] for scene in scenes]) for e in common},
        spectra=_spectra(scenes),
        images=tuple(image for scene in scenes for image in scene.images),
        light_curves=tuple(curve for scene in scenes for curve in scene.light_curves),
    )


def _spectra(scenes: tuple[Scene, ...]) -> SourceSpectra | None:
    parts = [scene.spectra for scene in scenes]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    if len(known) < len(parts):
        raise InputError("some of the scenes to be joined have spectra, others none")
    library = known[0].library
    if any(part.library is not library for part in known):
        raise InputError("scenes with spectra of different libraries can't be joined")
    names = ("template", "redshift", "ebv", "scale", "galactic_ebv")
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in known]) for name in names
    }
    return replace(known[0], **columns)
