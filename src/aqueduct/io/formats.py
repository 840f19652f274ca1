"""Which official file format holds which product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from aqueduct.core.step import Product
from aqueduct.products import Catalog, Image, Mosaic, Ramp, Raw, Segmentation, Wcs

Generation = Literal["2.1.0", "2.2.0"]
"""Generation of the RAD schemas (``datamodels-<generation>``)."""


@dataclass(frozen=True)
class Format:
    """An official format.

    Attributes
    ----------
    product : type
        What it is read as.
    model : str
        ``roman_datamodels`` class, recorded as ``meta.model_type``.
    kind : str
        ``kind`` of the catalog or segmentation map.
    """

    product: type[Product]
    model: str
    kind: str = ""


FORMATS: Final[dict[str, Format]] = {
    "wfi_science_raw": Format(Raw, "ScienceRawModel"),
    "ramp": Format(Ramp, "RampModel"),
    "wfi_image": Format(Image, "ImageModel"),
    "wfi_wcs": Format(Wcs, "WfiWcsModel"),
    "wfi_mosaic": Format(Mosaic, "MosaicModel"),
    "segmentation_map": Format(Segmentation, "SegmentationMapModel", "image"),
    "mosaic_segmentation_map": Format(Segmentation, "MosaicSegmentationMapModel", "mosaic"),
    "multiband_segmentation_map": Format(
        Segmentation, "MultibandSegmentationMapModel", "multiband"
    ),
    "image_source_catalog": Format(Catalog, "ImageSourceCatalogModel", "image"),
    "mosaic_source_catalog": Format(Catalog, "MosaicSourceCatalogModel", "mosaic"),
    "multiband_source_catalog": Format(Catalog, "MultibandSourceCatalogModel", "multiband"),
}
"""By the name in the format's tag."""


def tag_name(tag: str) -> str:
    """``wfi_image`` of ``asdf://stsci.edu/datamodels/roman/tags/wfi_image-2.2.0``."""
    return tag.rpartition("/")[2].partition("-")[0]


def of_product(product: Product) -> tuple[str, Format]:
    """Tag name and format of a product."""
    kind = getattr(product, "kind", "")
    return next(
        (name, form)
        for name, form in FORMATS.items()
        if isinstance(product, form.product) and form.kind == kind
    )


def of_model(model: str) -> Format | None:
    """The format that ``meta.model_type`` names."""
    return next((form for form in FORMATS.values() if form.model == model), None)


def full_tag(name: str, generation: Generation) -> str:
    """The tag of a format in a schema generation, from RAD's manifest."""
    import asdf

    uri = f"asdf://stsci.edu/datamodels/roman/extensions/datamodels-{generation}"
    extensions = asdf.get_config().extensions
    manifest = next(extension for extension in extensions if extension.extension_uri == uri)
    tags = (str(tag.tag_uri) for tag in manifest.tags)
    return next(tag for tag in tags if tag_name(tag) == name and "/reference_files/" not in tag)


def generation_of(tag: str) -> Generation | None:
    """The schema generation that a tag belongs to; None for older ones."""
    if tag_name(tag) not in FORMATS:
        return None
    generations: tuple[Generation, ...] = get_args(Generation)
    return next((each for each in generations if full_tag(tag_name(tag), each) == tag), None)
