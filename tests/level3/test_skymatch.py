from __future__ import annotations

import numpy as np
import pytest
from level3_frames import make_image, make_wcs, with_meta
from pydantic import ValidationError

from aqueduct.core.errors import InputError
from aqueduct.level3.skymatch import SkymatchConfig, skymatch

SKY = (1.3, 1.0, 1.7, 1.1)
SIGMA = 0.1


@pytest.fixture
def chain(rng):
    """Images along a line, each overlapping its neighbours by half, and their sources."""
    images = []
    for k, sky in enumerate(SKY):
        data = rng.normal(sky, SIGMA, (224, 224))
        data[rng.random(data.shape) < 0.02] += 20.0
        images.append(make_image(data, make_wcs(224, dx=12.0 * k), exposure=k + 1))
    return images


def levels(images):
    return np.array([image.meta["background"]["level"] for image in images])


@pytest.mark.parametrize("statistic", ["median", "mode"])
def test_match_finds_the_differences(chain, statistic):
    matched = skymatch(chain, SkymatchConfig(statistic=statistic))
    tolerance = {"median": 0.02, "mode": 0.06}[statistic]
    np.testing.assert_allclose(levels(matched), np.array(SKY) - 1.0, atol=tolerance)
    assert all(image.meta["background"]["method"] == "match" for image in matched)
    assert all(image.meta["background"]["subtracted"] is False for image in matched)


def test_differences_weigh_by_pixels_and_close_the_loop(rng):
    """Three images of one field: the solution is that of the normal equations."""
    images = [
        make_image(rng.normal(sky, SIGMA, (224, 224)), exposure=k) for k, sky in enumerate(SKY[:3])
    ]
    found = levels(skymatch(images, SkymatchConfig()))
    medians = np.array([np.median(image.data[2::4, 2::4]) for image in images])
    np.testing.assert_allclose(found, medians - medians.min(), atol=1e-3)


def test_nothing_is_subtracted_and_inputs_are_kept(chain):
    matched = skymatch(chain, SkymatchConfig())
    assert all(new.data is old.data for new, old in zip(matched, chain, strict=True))
    assert all("background" not in image.meta for image in chain)


def test_local_and_global(chain):
    local = levels(skymatch(chain, SkymatchConfig(method="local")))
    np.testing.assert_allclose(local, SKY, atol=0.02)
    assert np.all(levels(skymatch(chain, SkymatchConfig(method="global"))) == local.min())


def test_global_match_keeps_differences_and_puts_the_lowest_sky_at_zero(chain):
    both = levels(skymatch(chain, SkymatchConfig(method="global+match")))
    match = levels(skymatch(chain, SkymatchConfig()))
    np.testing.assert_allclose(both - both.min(), match, atol=1e-12)
    np.testing.assert_allclose(both, SKY, atol=0.03)
    local = levels(skymatch(chain, SkymatchConfig(method="local")))
    assert (local - both).min() == pytest.approx(0.0, abs=1e-12)


def test_an_image_without_overlap_is_told_so(chain, rng):
    lone = make_image(rng.normal(5.0, SIGMA, (224, 224)), make_wcs(224, dx=500.0))
    found = skymatch([*chain, lone], SkymatchConfig())[-1].meta
    assert found["background"] == {"level": 0.0, "method": "None", "subtracted": False}
    assert found["cal_step"]["skymatch"] == "SKIPPED"


def test_two_separate_sets_each_start_at_zero(chain, rng):
    far = [
        make_image(rng.normal(sky, SIGMA, (224, 224)), make_wcs(224, dx=900.0))
        for sky in (9.0, 8.0)
    ]
    found = levels(skymatch([*chain, *far], SkymatchConfig()))
    assert found[:4].min() == 0.0
    np.testing.assert_allclose(found[4:], [1.0, 0.0], atol=0.02)


def test_flagged_pixels_do_not_count(rng):
    images = [make_image(rng.normal(1.0, SIGMA, (224, 224)), exposure=k) for k in (1, 2)]
    images[0].data[:150] = 50.0
    images[0].dq[:150] = 1
    np.testing.assert_allclose(levels(skymatch(images, SkymatchConfig())), 0.0, atol=0.03)


def test_errors(chain):
    done = with_meta(chain[0], background={"level": 1.0, "method": "match", "subtracted": True})
    with pytest.raises(InputError, match="subtracted already"):
        skymatch([done, *chain[1:]], SkymatchConfig())
    with pytest.raises(ValidationError, match="unknown DQ flag"):
        SkymatchConfig(bad="NO_SUCH_FLAG")
