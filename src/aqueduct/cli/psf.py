"""``aqueduct psf``: images of stars, their energy, kernels between them, reference files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aqueduct.cli import output
from aqueduct.core.errors import ConfigError

if TYPE_CHECKING:
    from aqueduct.psf import PsfModel
    from aqueduct.psf.light import Light

app = typer.Typer(
    help="Make images of the PSF, measure and match them.\n\n"
    "\b\nExamples:\n  aqueduct psf image --filter F158 --out psf.fits\n"
    "  aqueduct psf kernel --from F129 --to F184 --out kernel.fits\n"
    "  aqueduct psf table",
    short_help="Make images of the PSF, measure and match them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option(help="FITS file to write.")]
Detector = Annotated[str, typer.Option(help="Detector.", metavar="WFI01")]
Element = Annotated[str, typer.Option("--filter", help="Filter.", metavar="F158")]
X = Annotated[float, typer.Option(help="Science pixel, 0-based.")]
Y = Annotated[float, typer.Option(help="Science pixel, 0-based.")]
Size = Annotated[int, typer.Option(help="Pixels on a side of the image.")]
Scale = Annotated[float, typer.Option(help="Side of an image pixel, arcsec.")]
Colour = Annotated[
    str | None,
    typer.Option(
        "--spectrum", help="A0V, G2V, K0V, M5V or a wavelength in micrometre; flat f_nu if absent."
    ),
]
Motion = Annotated[float | None, typer.Option(help="Jitter, RMS in mas; 8 if not given.")]
Reference = Annotated[
    Path | None, typer.Option(help="Take the PSF from this epsf reference file.", metavar="FILE")
]
Capacitance = Annotated[bool, typer.Option("--ipc", help="With inter-pixel capacitance.")]


@app.command("image")
def image(
    out: Out,
    detector: Detector = "WFI01",
    element: Element = "F158",
    x: X = 2043.5,
    y: Y = 2043.5,
    size: Size = 45,
    scale: Scale = 0.11,
    rotation: Annotated[
        float, typer.Option(help="Degrees from +y of the detector towards +x to +y of the image.")
    ] = 0.0,
    dx: Annotated[float, typer.Option(help="Star from the middle of its pixel, along x.")] = 0.0,
    dy: Annotated[float, typer.Option(help="Star from the middle of its pixel, along y.")] = 0.0,
    spectrum: Colour = None,
    jitter: Motion = None,
    ipc: Capacitance = False,
    reference: Reference = None,
) -> None:
    """Write the image of a star of unit flux.

    \b
    Examples:
      aqueduct psf image --filter F158 --spectrum G2V --out psf.fits
      aqueduct psf image --detector WFI07 --filter F062 --scale 0.0275 --size 181 --out fine.fits
    """
    from aqueduct.psf import image as make

    made = make(
        _model(detector, element, ipc, reference),
        x,
        y,
        size=size,
        scale=scale,
        rotation=rotation,
        centre=(dx, dy),
        spectrum=_light(spectrum),
        jitter=jitter,
    )
    about = {
        "DETECTOR": detector,
        "FILTER": element,
        "PIXSCALE": scale,
        "STAR_X": made.x,
        "STAR_Y": made.y,
        "CONTENTS": ", ".join(made.contents),
    }
    _write(out, made.values, about)
    typer.echo(f"{out}  {made.values.sum():.4f} of the light; {', '.join(made.contents)}")


@app.command("energy")
def energy(
    detector: Detector = "WFI01",
    element: Element = "F158",
    x: X = 2043.5,
    y: Y = 2043.5,
    radii: Annotated[str, typer.Option(help="Radii, arcsec.")] = "0.1,0.2,0.3,0.5,1,2,4",
    spectrum: Colour = None,
    jitter: Motion = None,
    ipc: Capacitance = False,
    reference: Reference = None,
) -> None:
    """Print the share of the light within circles.

    \b
    Examples:
      aqueduct psf energy --filter F158
      aqueduct psf energy --detector WFI18 --filter F213 --radii 0.2,0.4 --spectrum M5V
    """
    from aqueduct.psf import encircled_energy

    wanted = [_number(word, "--radii") for word in radii.split(",")]
    model = _model(detector, element, ipc, reference)
    local = model.local(x, y, spectrum=_light(spectrum), jitter=jitter, radius=45.0)
    shares = encircled_energy(local, wanted)
    output.note(f"contains: {', '.join(local.contents)}")
    output.table(
        ("radius_arcsec", "share"),
        [(f"{at:g}", f"{share:.5f}") for at, share in zip(wanted, shares, strict=True)],
    )


@app.command("kernel")
def kernel(
    out: Out,
    source: Annotated[str, typer.Option("--from", help="Filter of the image to change.")],
    target: Annotated[str, typer.Option("--to", help="Filter whose PSF is wanted.")],
    detector: Detector = "WFI01",
    x: X = 2043.5,
    y: Y = 2043.5,
    size: Size = 81,
    scale: Scale = 0.11,
    regularisation: Annotated[
        float, typer.Option(help="Larger: less noise and a worse match.")
    ] = 1e-4,
) -> None:
    """Write the kernel that takes one filter's PSF to another's.

    \b
    Examples:
      aqueduct psf kernel --from F129 --to F184 --out kernel.fits
    """
    from aqueduct.psf import image as make
    from aqueduct.psf import matching_kernel

    first, second = (
        make(_model(detector, element, True, None), x, y, size=size, scale=scale)
        for element in (source, target)
    )
    made = matching_kernel(first, second, regularisation=regularisation)
    _write(out, made.kernel, {"FROM": source, "TO": target, "PIXSCALE": scale})
    typer.echo(
        f"{out}  encircled energy differs by at most {made.energy_difference:.1e}, "
        f"noise times {made.noise_gain:.3f}"
    )


@app.command("reference")
def reference(
    out: Annotated[Path, typer.Option(help="Folder of the set of references; made if absent.")],
    detector: Detector,
    element: Element,
    jitter: Annotated[float, typer.Option(help="RMS, mas.")] = 8.0,
) -> None:
    """Add an epsf reference file of the optical model to a set.

    \b
    Examples:
      aqueduct psf reference --detector WFI01 --filter F158 --out refs
    """
    from aqueduct.psf import epsf_reference
    from aqueduct.references import write_set

    made = epsf_reference(detector, element, jitter=jitter)
    context = write_set(out, [(made, detector, element)])
    typer.echo(f"{out}  {context}")


@app.command("table")
def table(
    elements: Annotated[
        str | None, typer.Option("--filter", help="Filters; all if not given.", metavar="F158,...")
    ] = None,
) -> None:
    """Print the statistics of the PSF beside the published ones, as computed/published.

    \b
    Examples:
      aqueduct psf table
      aqueduct psf table --filter F129,F158
    """
    from dataclasses import astuple, fields

    from aqueduct.instrument.filters import FILTERS
    from aqueduct.psf.published import DETECTORS, Summary, published, summary

    chosen = elements.upper().split(",") if elements else list(FILTERS)
    rows = []
    for detector in DETECTORS:
        for element in chosen:
            pairs = zip(
                astuple(summary(detector, element)),
                astuple(published(detector, element)),
                strict=True,
            )
            rows.append((detector, element, *(f"{ours:.4g}/{theirs:g}" for ours, theirs in pairs)))
    output.table(("detector", "filter", *(field.name for field in fields(Summary))), rows)


def _model(detector: str, element: str, ipc: bool, reference: Path | None) -> PsfModel:
    from aqueduct.psf import Epsf, OpticalModel

    if reference is None:
        return OpticalModel(detector, element, ipc=ipc)
    from aqueduct.products.references import EpsfReference
    from aqueduct.references import load

    return Epsf.from_reference(load(EpsfReference, reference))


def _light(text: str | None) -> Light | None:
    """A wavelength if it is a number, else the name of a spectral type."""
    if text is None:
        return None
    return float(text) if text.replace(".", "", 1).isdigit() else text


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no number", where=option) from None


def _write(path: Path, values: Any, about: dict[str, Any]) -> None:
    import numpy as np
    from astropy.io import fits

    from aqueduct.io.atomic import atomic

    with atomic(path) as temporary:
        fits.PrimaryHDU(np.asarray(values, np.float64), fits.Header(about)).writeto(temporary)
