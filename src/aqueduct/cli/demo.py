"""``aqueduct demo``: the whole channel, from made-up sky to a catalog compared with truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aqueduct.cli import output

if TYPE_CHECKING:
    from aqueduct.pipelines.compare import Comparison
    from aqueduct.pipelines.demo import Report


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the products; made if absent.")],
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Units of work at a time.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler.", metavar="ADDRESS")
    ] = None,
) -> None:
    """Simulate a visit, run Levels 1 to 4 on it, and compare with the truth.

    Stopped and run again, it goes on where it was.

    \b
    Examples:
      aqueduct demo --out demo
      aqueduct demo --out demo --seed 2 --jobs 2
    """
    from aqueduct.archive import update
    from aqueduct.cli.progress import Progress
    from aqueduct.pipelines.demo import demo as run_demo
    from aqueduct.pipelines.pictures import pictures
    from aqueduct.run.meter import Meter

    with Progress() as watcher:
        report = run_demo(
            out, seed=seed, jobs=jobs, scheduler=scheduler, watcher=watcher, note=output.note
        )
    with Meter() as meter:
        changes = update(out)
    report.stages["index"] = (len(changes.added), meter.reading)
    drawn = pictures(
        out / "pictures",
        report.images[0],
        report.coadds,
        report.segmentations[0],
        report.comparisons,
    )
    _print(report, drawn, out)


def _print(report: Report, drawn: list[Path], out: Path) -> None:
    typer.echo("\nWhat was made")
    output.table(
        ("stage", "products", "seconds", "peak memory", "of it anonymous"),
        [
            (
                name,
                str(count),
                f"{reading.seconds:.1f}",
                output.gigabytes(reading.resident),
                output.gigabytes(reading.anonymous),
            )
            for name, (count, reading) in report.stages.items()
        ],
    )
    total = sum(reading.seconds for _, reading in report.stages.values())
    typer.echo(f"{total:.1f} s in all; what was there already took no time")
    typer.echo("\nCompared with the truth (isolated stars; flux and position above S/N 20)")
    output.table(
        ("catalog", "stars", "found", "50 % at", "flux bias", "pull width", "residual"),
        [_row(name, one) for name, one in report.comparisons.items()],
    )
    typer.echo("\nPictures")
    for path in drawn:
        typer.echo(f"  {path}")
    typer.echo("\nNext")
    for command in (
        f"aqueduct show {report.coadds[0]}",
        f"aqueduct explain {report.catalogs[0]}",
        f"aqueduct find --in {out} --ra 270 --dec 66 --radius 60 --level 3",
        "aqueduct config exposure",
    ):
        typer.echo(f"  {command}")


def _row(name: str, one: Comparison) -> tuple[str, ...]:
    bright = [counts for middle, counts in one.completeness.items() if middle < 23]
    found, present = (sum(column) for column in zip(*bright, strict=True))
    return (
        name,
        str(one.stars),
        f"{100 * found / present:.1f} % to 23 AB",
        f"{one.half:.1f} AB" if one.half == one.half else "beyond 26 AB",
        f"{100 * one.flux_bias:+.2f} +- {100 * one.flux_bias_err:.2f} %",
        f"{one.pull_width:.2f}",
        f"{one.residual[0]:.1f}, {one.residual[1]:.1f} mas",
    )
