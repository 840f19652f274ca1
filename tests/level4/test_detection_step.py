from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import center_of_mass
from scipy.spatial import cKDTree

from aqueduct.core.errors import InputError
from aqueduct.level4.detection import DetectionConfig, detection


def found(scene, mosaics):
    segmentation = detection(mosaics, DetectionConfig())
    labels = segmentation.data
    middles = center_of_mass(labels > 0, labels, np.arange(1, labels.max() + 1))
    away = cKDTree(np.array(middles)).query(np.stack([scene.y, scene.x], axis=1))[0]
    return segmentation, away < 3


def test_one_filter_finds_what_is_bright_and_little_else(scene):
    segmentation, seen = found(scene, scene.mosaics[:1])
    assert segmentation.kind == "mosaic"
    assert seen[scene.flux > 50].all()
    assert segmentation.data.max() <= len(seen) + 2
    assert not segmentation.data[:40, :40].any()


def test_two_filters_go_deeper_than_the_shallower(scene):
    shallow = found(scene, scene.mosaics[1:])[1].sum()
    both, seen = found(scene, scene.mosaics)
    assert both.kind == "multiband"
    assert seen.sum() >= shallow
    assert len(both.meta["image_metas"]) == 2


def test_metadata_of_several_filters_are_joined(scene, segmentation):
    meta = segmentation.meta
    first, last = (mosaic.meta["coadd_info"] for mosaic in scene.mosaics)
    assert meta["psf_match_reference_filter"] == "F158"
    assert meta["instrument"] == {"name": "WFI", "detector": None, "optical_element": None}
    assert meta["coadd_info"]["time_first"] == first["time_first"]
    assert meta["coadd_info"]["time_last"] == last["time_last"]
    assert (meta["coadd_info"]["time_mean"] - first["time_mean"]).jd == pytest.approx(2 / 3)
    assert "resample" not in meta
    assert "resample" in meta["image_metas"][0]


def test_coadds_that_do_not_belong_together_are_refused(scene):
    one = scene.mosaics[0]
    with pytest.raises(InputError, match="no co-add"):
        detection([], DetectionConfig())
    with pytest.raises(InputError, match="more than one co-add"):
        detection([one, one], DetectionConfig())
    elsewhere = replace(scene.mosaics[1], cell=replace(one.cell, name="270p65x51y50"))
    with pytest.raises(InputError, match="different sky cells"):
        detection([one, elsewhere], DetectionConfig())
