import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.products import columns as declared

MODELS = {
    "image": "ImageSourceCatalogModel",
    "mosaic": "MosaicSourceCatalogModel",
    "multiband": "MultibandSourceCatalogModel",
}


def bands(kind):
    return ("F062", "F158") if kind == "multiband" else ()


@pytest.mark.parametrize("generation", ["2.1.0", "2.2.0"])
@pytest.mark.parametrize("kind", MODELS)
def test_columns_are_those_of_the_official_schema(kind, generation):
    from roman_datamodels import datamodels

    model = getattr(datamodels, MODELS[kind]).create_minimal(
        tag=f"asdf://stsci.edu/datamodels/roman/tags/{kind}_source_catalog-{generation}"
    )
    columns = declared.columns(kind, bands(kind))
    for column in columns:
        official = model.get_column_definition(column.name)
        assert official is not None, column.name
        assert (official["unit"], np.dtype(official["datatype"])) == (
            column.unit,
            np.dtype(column.dtype),
        )
    radii = list(declared.APERTURES)
    required = model._instance._create_empty_catalog(
        tag=model._instance._tag, aperture_radii=radii, filters=["f062"]
    )
    compulsory = {column.name for column in declared.columns(kind, bands(kind), psf=False)}
    assert set(required.colnames) <= compulsory


@pytest.mark.parametrize("kind", MODELS)
def test_every_error_column_exists_and_has_the_unit_of_an_error(kind):
    columns = {column.name: column for column in declared.columns(kind, bands(kind))}
    for column in columns.values():
        if column.error:
            error = columns[column.error]
            assert error.unit == ("arcsec" if column.unit == "deg" else column.unit)
            assert error.ucd.startswith("stat.error")
    assert len(columns) == len(declared.columns(kind, bands(kind)))


def test_a_column_is_found_by_its_name_with_and_without_filter():
    assert declared.column("kron_f158_abmag_err").name == "kron_f158_abmag_err"
    assert declared.column("kron_f158_abmag_err").unit == "mag(AB)"
    assert declared.column("x_psf").error == "x_psf_err"
    assert declared.column("x_psf_f106").error == "x_psf_f106_err"
    with pytest.raises(InputError, match="kron_flux"):
        declared.column("kron_flx")


@pytest.mark.parametrize(
    ("kind", "filters"), [("image", ("F158",)), ("multiband", ("F158", "F158"))]
)
def test_bands_must_fit_the_kind(kind, filters):
    with pytest.raises(InputError, match="each band"):
        declared.columns(kind, filters)


def test_flag_bits_are_distinct():
    for flags in (declared.WARNING_FLAGS, declared.PSF_FLAGS):
        assert len({flag.bit for flag in flags}) == len(flags)
