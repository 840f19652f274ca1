from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from aqueduct.core.errors import InputError
from aqueduct.products import Catalog, Image, Raw, Segmentation, Window
from aqueduct.products.plot import averaged, plot

matplotlib.use("agg")


@pytest.fixture
def ax():
    return Figure().add_subplot()


def image(shape=(40, 60)):
    rng = np.random.default_rng(1)
    data = rng.normal(10, 1, shape).astype(np.float32)
    data[3, 4] = np.nan
    planes = dict.fromkeys(("dq", "err", "var_poisson", "var_rnoise", "chisq", "dumo"), data)
    return Image(data=data, **planes, meta={"filename": "x_cal.asdf"}, window=Window(4, 4, *shape))


def test_an_image_is_drawn_with_pixel_centres_at_integers(ax):
    assert image().plot(ax) is ax
    assert (ax.get_xlim(), ax.get_ylim()) == ((-0.5, 59.5), (-0.5, 39.5))
    assert ax.get_title() == "x_cal.asdf"
    assert ax.figure.axes[1].get_ylabel() == "data [DN/s]"
    assert 5 < ax.images[0].norm.vmin < ax.images[0].norm.vmax < 15


def test_options_replace_what_is_chosen(ax):
    image().plot(ax, cmap="viridis")
    assert ax.images[0].get_cmap().name == "viridis"


def test_an_image_without_a_finite_pixel_is_drawn(ax):
    empty = image()
    empty.data[:] = np.nan
    empty.plot(ax)
    assert len(ax.images) == 1


def test_a_raw_ramp_is_drawn_as_last_less_first(ax):
    data = np.array([[[50000, 7]], [[50010, 5]]], np.uint16)
    Raw(data, data, {}).plot(ax)
    assert ax.images[0].get_array().tolist() == [[10, -2]]
    assert ax.figure.axes[1].get_ylabel() == "last - first resultant [DN]"


def test_means_leave_nan_out_and_drop_a_rest():
    data = np.array([[1, 3, 9], [np.nan, 5, 9], [9, 9, 9]])
    assert averaged(data, 2).tolist() == [[3.0]]
    assert np.isnan(averaged(np.full((2, 2), np.nan), 2)).all()


def test_sources_of_a_segmentation_map_stand_out_from_the_sky(ax):
    labels = np.array([[0, 1], [2, 2]], np.uint32)
    Segmentation(labels, {}).plot(ax)
    drawn = ax.images[0].get_array()
    assert drawn.mask.tolist() == [[True, False], [False, False]]
    assert drawn[0, 1] != drawn[1, 0] == drawn[1, 1]


def test_a_catalog_is_drawn_east_to_the_left_across_0_h(ax):
    columns = {"ra": np.array([359.9, 0.1]), "dec": np.array([60.0, 60.0])}
    Catalog(columns, {}).plot(ax)
    left, right = ax.get_xlim()
    assert left > right
    assert left - right < 1
    assert ax.get_aspect() == pytest.approx(2.0)


def test_what_has_no_picture_is_an_error(ax):
    with pytest.raises(InputError, match="no positions"):
        Catalog({"flux": np.ones(2)}, {}).plot(ax)
    with pytest.raises(InputError, match="nothing to draw of dict"):
        plot({}, ax)
