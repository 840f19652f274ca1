"""Scenes to Level 1 exposures with known truth, and references with realistic errors."""

from aqueduct.simulate.detector import DetectorConfig, DetectorTruth, draw_detector
from aqueduct.simulate.level1 import Level1Config, level1
from aqueduct.simulate.observation import Observation
from aqueduct.simulate.program import (
    ProgramConfig,
    observations,
    preset,
    presets,
)
from aqueduct.simulate.references import ReferenceConfig, detector_references, element_references
from aqueduct.simulate.scene import Scene, SceneConfig, astrometric_catalog, draw_scene

__all__ = [
    "DetectorConfig",
    "DetectorTruth",
    "Level1Config",
    "Observation",
    "ProgramConfig",
    "ReferenceConfig",
    "Scene",
    "SceneConfig",
    "astrometric_catalog",
    "detector_references",
    "draw_detector",
    "draw_scene",
    "element_references",
    "level1",
    "observations",
    "preset",
    "presets",
]
