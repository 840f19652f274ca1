"""The sky: sources with known places, fluxes, shapes, motions and light curves."""

from aqueduct.simulate.scene.catalogs import scene_from_table, scene_table
from aqueduct.simulate.scene.cube import Cube, covers, rate_image, scene_of_cube
from aqueduct.simulate.scene.draw import SceneConfig, draw_scene
from aqueduct.simulate.scene.gaia import astrometric_catalog, g_magnitude
from aqueduct.simulate.scene.images import ImageTemplate
from aqueduct.simulate.scene.join import joined
from aqueduct.simulate.scene.scene import AGN, EPOCH, GALAXY, IMAGE, KINDS, STAR, Scene
from aqueduct.simulate.scene.universe import UniverseConfig
from aqueduct.simulate.scene.variability import (
    Flare,
    LightCurve,
    Microlensing,
    Sawtooth,
    Sinusoid,
    Supernova,
    Tabulated,
    light_curve,
)

__all__ = [
    "AGN",
    "EPOCH",
    "GALAXY",
    "IMAGE",
    "KINDS",
    "STAR",
    "Cube",
    "Flare",
    "ImageTemplate",
    "LightCurve",
    "Microlensing",
    "Sawtooth",
    "Scene",
    "SceneConfig",
    "Sinusoid",
    "Supernova",
    "Tabulated",
    "UniverseConfig",
    "astrometric_catalog",
    "covers",
    "draw_scene",
    "g_magnitude",
    "joined",
    "light_curve",
    "rate_image",
    "scene_from_table",
    "scene_of_cube",
    "scene_table",
]
