"""``aqueduct simulate``: made-up data with a known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aqueduct.core.errors import ConfigError

app = typer.Typer(
    help="Simulate data.\n\n\b\nExamples:\n  aqueduct simulate l1 --preset demo --out l1",
    short_help="Simulate data.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def simulate() -> None:
    """Keep ``l1`` a verb of its own while it is the only one."""


def split(text: str) -> list[str]:
    """``WFI01,WFI02`` as a list."""
    return [part.strip().upper() for part in text.split(",")]


@app.command("l1")
def l1(
    out: Annotated[Path, typer.Option(help="Folder of the products; made if absent.")],
    preset: Annotated[str | None, typer.Option(help="A scene that comes with Aqueduct.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file that describes the scene.")] = None,
    detector: Annotated[
        str | None, typer.Option(help="Detectors, such as WFI01,WFI02.", metavar="WFI01,...")
    ] = None,
    element: Annotated[
        str | None, typer.Option("--filter", help="Filters, such as F158,F129.", metavar="F158,...")
    ] = None,
    ma_table: Annotated[int | None, typer.Option(help="Number of the MA table.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the random numbers; 1 if not given.")
    ] = None,
) -> None:
    """Simulate Level 1 exposures, and write the truth beside them.

    \b
    Examples:
      aqueduct simulate l1 --preset demo --out l1
      aqueduct simulate l1 --preset demo --detector WFI01,WFI02 --filter F158 --out l1
      aqueduct simulate l1 --config scene.toml --ma-table 4 --seed 7 --out l1
    """
    if (preset is None) == (config is None):
        raise ConfigError(
            "give either --preset or --config", hint="see `aqueduct simulate l1 --help`"
        )
    from aqueduct.cli.progress import Progress
    from aqueduct.pipelines.simulation import simulate_l1

    with Progress() as watcher:
        files = simulate_l1(
            preset=preset,
            config=config,
            detectors=split(detector) if detector else None,
            elements=split(element) if element else None,
            ma_table=ma_table,
            seed=seed,
            out=out,
            watcher=watcher,
        )
    for path in files:
        typer.echo(str(path))
