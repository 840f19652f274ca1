"""``aqueduct simulate``: made-up data with a known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from aqueduct.core.errors import ConfigError

app = typer.Typer(
    help="""Simulate data, or add sources to data.

\b
Examples:
  aqueduct simulate l1 --preset demo --out l1
  aqueduct simulate l2 --preset demo --catalog sources.ecsv --out l2
  aqueduct simulate l3 --preset high-latitude --filter F158 --out l3
  aqueduct simulate inject l2/*_cal.asdf --grid 100 --out injected""",
    short_help="Simulate data, or add sources to data.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option(help="Folder of the products; made if absent.")]
Preset = Annotated[str | None, typer.Option(help="A program that comes with Aqueduct.")]
Config = Annotated[Path | None, typer.Option(help="TOML file that describes the program.")]
Catalog = Annotated[
    Path | None,
    typer.Option(
        help="Sources in place of drawn ones: a table (Parquet, ECSV, FITS) or FITS cube."
    ),
]
Detector = Annotated[
    str | None, typer.Option(help="Detectors, such as WFI01,WFI02.", metavar="WFI01,...")
]
Element = Annotated[
    str | None, typer.Option("--filter", help="Filters, such as F158,F129.", metavar="F158,...")
]
MaTable = Annotated[int | None, typer.Option(help="Number of the MA table.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the random numbers; 1 if not given.")]
Rad = Annotated[Literal["2.1.0", "2.2.0"], typer.Option(help="Schema generation to write.")]


def split(text: str) -> list[str]:
    """``WFI01,WFI02`` as a list."""
    return [part.strip().upper() for part in text.split(",")]


@app.command("l1")
def l1(
    out: Out,
    preset: Preset = None,
    config: Config = None,
    catalog: Catalog = None,
    detector: Detector = None,
    element: Element = None,
    ma_table: MaTable = None,
    seed: Seed = None,
    rad: Rad = "2.1.0",
) -> None:
    """Simulate Level 1 exposures, and write the truth beside them.

    \b
    Examples:
      aqueduct simulate l1 --preset demo --out l1
      aqueduct simulate l1 --preset demo --detector WFI01,WFI02 --filter F158 --out l1
      aqueduct simulate l1 --config scene.toml --catalog stars.ecsv --ma-table 4 --out l1
    """
    from aqueduct.pipelines.simulation import simulate_l1

    what = _program("l1", preset, config, catalog, detector, element, ma_table, seed, rad, out)
    _told(simulate_l1, what)


@app.command("l2")
def l2(
    out: Out,
    preset: Preset = None,
    config: Config = None,
    catalog: Catalog = None,
    detector: Detector = None,
    element: Element = None,
    ma_table: MaTable = None,
    seed: Seed = None,
    rad: Rad = "2.1.0",
) -> None:
    """Simulate Level 2 images without their ramps: right noise, in seconds.

    \b
    Examples:
      aqueduct simulate l2 --preset demo --out l2
      aqueduct simulate l2 --preset bulge --detector WFI01 --filter F146 --seed 7 --out l2
      aqueduct run mosaic l2/*_cal.asdf --out l3
    """
    from aqueduct.pipelines.simulation import simulate_l2

    what = _program("l2", preset, config, catalog, detector, element, ma_table, seed, rad, out)
    _told(simulate_l2, what)


@app.command("l3")
def l3(
    out: Out,
    preset: Preset = None,
    config: Config = None,
    catalog: Catalog = None,
    detector: Detector = None,
    element: Element = None,
    ma_table: MaTable = None,
    seed: Seed = None,
    rad: Rad = "2.1.0",
    coadd: Annotated[
        bool, typer.Option("--coadd", help="Simulate every image and co-add them.")
    ] = False,
) -> None:
    """Simulate Level 3 co-adds on the sky cell of the target.

    The scene is drawn on the cell with the noise that drizzled exposures have; --coadd makes
    the exposures and drizzles them.

    \b
    Examples:
      aqueduct simulate l3 --preset demo --filter F158 --out l3
      aqueduct simulate l3 --preset demo --filter F158 --coadd --out l3
    """
    from aqueduct.pipelines.simulation import simulate_l3

    what = _program("l3", preset, config, catalog, detector, element, ma_table, seed, rad, out)
    _told(simulate_l3, {**what, "coadd": coadd})


@app.command("inject")
def inject(
    files: Annotated[list[Path], typer.Argument(help="Level 1, 2 or 3 files.")],
    out: Out,
    catalog: Annotated[
        Path | None,
        typer.Option(help="Inject those of a table (Parquet, ECSV, FITS) or FITS cube."),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Inject the sources of a preset.")] = None,
    config: Annotated[Path | None, typer.Option(help="Inject those of a TOML file.")] = None,
    grid: Annotated[
        float | None, typer.Option(min=10, help="Inject stars so many pixels apart.")
    ] = None,
    magnitudes: Annotated[
        str, typer.Option(help="AB limits of the stars on a grid.", metavar="BRIGHT,FAINT")
    ] = "20,26",
    gain: Annotated[
        float | None,
        typer.Option(min=0.1, help="Electrons per flat-fielded DN, in place of references."),
    ] = None,
    references: Annotated[Path | None, typer.Option(help="Root of the reference files.")] = None,
    seed: Seed = None,
    rad: Rad = "2.1.0",
) -> None:
    """Add sources to files; the files themselves stay as they are.

    \b
    Examples:
      aqueduct simulate inject l2/*_cal.asdf --grid 100 --magnitudes 22,27 --out injected
      aqueduct simulate inject l1/*_uncal.asdf --catalog supernovae.ecsv --out injected
      aqueduct simulate inject l3/*_coadd.asdf --preset demo --out injected
    """
    from aqueduct.pipelines.injection import Grid
    from aqueduct.pipelines.injection import inject as injected

    what = {
        "files": files,
        "catalog": catalog,
        "preset": preset,
        "config": config,
        "grid": None if grid is None else Grid(grid, *_limits(magnitudes)),
        "gain": gain,
        "references": references,
        "seed": seed,
        "rad": rad,
        "out": out,
    }
    _told(injected, what)


@app.command("recovery")
def recovery(
    catalog: Annotated[Path, typer.Argument(help="Catalog of the file with the sources.")],
    truth: Annotated[Path, typer.Option(help="Truth of the injection (_truth.parquet).")],
    without: Annotated[Path | None, typer.Option(help="Catalog of the file without them.")] = None,
    columns: Annotated[
        str, typer.Option(help="Columns of position and flux.")
    ] = "ra_psf,dec_psf,psf_flux",
) -> None:
    """Tell how many injected sources a catalog has, and how well it measures them.

    \b
    Examples:
      aqueduct simulate recovery with_cat.parquet --truth with_truth.parquet
      aqueduct simulate recovery with_cat.parquet --truth with_truth.parquet --without cat.parquet
    """
    from aqueduct.io.table import read_table
    from aqueduct.pipelines.recovery import measured_in
    from aqueduct.pipelines.recovery import recovery as recovered

    names = columns.split(",")
    before = None if without is None else measured_in(without, names)
    rows = recovered(measured_in(catalog, names), read_table(truth)[0], without=before)
    typer.echo("magnitude  injected  recovered  complete    bias  scatter   pull")
    for row in rows:
        typer.echo(
            f"{row.magnitude:9.2f} {row.injected:9d} {row.recovered:10d} {row.completeness:9.3f}"
            f" {row.bias:7.4f} {row.scatter:8.4f} {row.pull:6.2f}"
        )


def _limits(text: str) -> tuple[float, float]:
    """``20,26`` as two numbers."""
    try:
        bright, faint = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no pair of magnitudes", hint="write --magnitudes 20,26"
        ) from error
    return bright, faint


def _program(
    verb: str,
    preset: str | None,
    config: Path | None,
    catalog: Path | None,
    detector: str | None,
    element: str | None,
    ma_table: int | None,
    seed: int | None,
    rad: str,
    out: Path,
) -> dict[str, Any]:
    """The arguments that simulations of all levels share."""
    if (preset is None) == (config is None):
        raise ConfigError(
            "give either --preset or --config", hint=f"see `aqueduct simulate {verb} --help`"
        )
    return {
        "preset": preset,
        "config": config,
        "catalog": catalog,
        "detectors": split(detector) if detector else None,
        "elements": split(element) if element else None,
        "ma_table": ma_table,
        "seed": seed,
        "rad": rad,
        "out": out,
    }


def _told(function: Any, arguments: dict[str, Any]) -> None:
    """Run a simulation with its progress shown, and print the files it made."""
    from aqueduct.cli.progress import Progress

    with Progress() as watcher:
        files = function(**arguments, watcher=watcher)
    for path in files:
        typer.echo(str(path))
