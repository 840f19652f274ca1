"""``aqueduct run``: a pipeline on files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from aqueduct.cli import output
from aqueduct.core.errors import AqueductError

if TYPE_CHECKING:
    from aqueduct.run import Summary


def run(
    pipeline: Annotated[
        str, typer.Argument(help="exposure, mosaic or catalog.", metavar="PIPELINE")
    ],
    inputs: Annotated[
        list[Path], typer.Argument(help="Product files, or associations.", metavar="INPUT")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the products; made if absent.")],
    preset: Annotated[
        str | None,
        typer.Option(help="Parameters that come with the pipeline, such as romancal-1.1."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of parameters.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter: step.field=value.", metavar="STEP.FIELD=VALUE"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="First step; the input is a saved product.", metavar="STEP"),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last step.", metavar="STEP")] = None,
    save: Annotated[
        list[str] | None, typer.Option(help="Write the product of this step too.", metavar="STEP")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Leave this step out.", metavar="STEP")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Areas to flag: DS9 regions (.reg) or a FITS mask.")
    ] = None,
    attitude: Annotated[
        Path | None, typer.Option(help="Attitude telemetry: point by it, not as planned.")
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(help="Folder of calibrated images, indexed: flag persistence they left."),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(help="Reference files: a CRDS cache, or a folder laid out like one."),
    ] = None,
    rad: Annotated[
        Literal["2.1.0", "2.2.0"], typer.Option(help="Schema generation to write.")
    ] = "2.1.0",
    jobs: Annotated[int, typer.Option(min=1, help="Units of work at a time.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler to run on.", metavar="ADDRESS")
    ] = None,
) -> None:
    """Run a pipeline on files.

    exposure makes Level 2 of Level 1, mosaic Level 3 of Level 2, catalog Level 4 of Level 3.

    What is already there and still valid is kept, so that a run can be repeated.

    \b
    Examples:
      aqueduct run exposure l1/*_uncal.asdf --out l2
      aqueduct run exposure l1/*_uncal.asdf --out l2 --set ramp_fit.rejection_threshold=5
      aqueduct run exposure l1/*_uncal.asdf --out l2 --preset romancal-1.1
      aqueduct run exposure l1/*_uncal.asdf --out l2 --mask ghosts.reg --history l2
      aqueduct run exposure x_uncal.asdf --out l2 --until linearity
      aqueduct run exposure l2/x_linearity.asdf --out l2 --from ramp_fit
      aqueduct run mosaic asn/*_asn.json --out l3 --jobs 4
      aqueduct run catalog l3/*_coadd.asdf --out l4 --config my.toml
    """
    from aqueduct.cli.progress import Progress
    from aqueduct.run import run as run_pipeline

    given = [*(settings or ())]
    if mask is not None:
        given.append(f"references.regions={mask.absolute()}")
    if attitude is not None:
        given.append(f"references.attitude={attitude.absolute()}")
    if history is not None:
        given.append(f"references.history={_history(history, inputs, out).absolute()}")
    root = references or _default_references(pipeline, inputs, preset, config, given)
    with Progress() as watcher:
        summary = run_pipeline(
            pipeline,
            inputs,
            config,
            out=out,
            preset=preset,
            settings=given,
            since=since,
            until=until,
            save=save or (),
            skip=skip or (),
            references=root,
            rad=rad,
            jobs=jobs,
            scheduler=scheduler,
            watcher=watcher,
            check=False,
        )
    _conclude(summary)


def _history(folder: Path, inputs: Sequence[Path], out: Path) -> Path:
    """Write the list of earlier exposures in ``folder`` that may have left persistence."""
    from aqueduct import archive, io
    from aqueduct.references import write_history

    archive.update(folder)
    found = archive.earlier_exposures(folder, [io.peek(path).meta for path in inputs])
    output.note(f"{len(found)} earlier exposures in {folder} are looked at for persistence")
    path = io.prepare_folder(out) / "history.parquet"
    write_history(found, path)
    return path


def _default_references(
    pipeline: str,
    inputs: Sequence[Path],
    preset: str | None,
    config: Path | None,
    settings: Sequence[str],
) -> Path | None:
    """The user's own default set, with what the inputs need made where it is missing."""
    if os.environ.get("AQUEDUCT_REFERENCES") or os.environ.get("CRDS_PATH"):
        return None
    from aqueduct import io
    from aqueduct.pipelines.make_references import ensure
    from aqueduct.run import named
    from aqueduct.run.config import resolve

    # Mistakes first: making takes long.
    resolved = resolve(named(pipeline), preset=preset, file=config, settings=settings)
    if not any(step.references for step in resolved.pipeline.steps().values()):
        return None
    metas = [io.peek(path).meta for path in inputs]
    output.note("no --references and no $AQUEDUCT_REFERENCES: using the default set of this user")
    return ensure(None, metas, output.note)


def _conclude(summary: Summary) -> None:
    """Print what was made; end with the status of the worst error."""
    rows = []
    for outcome in summary.outcomes:
        readings = outcome.readings.values()
        rows.append(
            (
                outcome.unit.name,
                outcome.status,
                f"{sum(reading.seconds for reading in readings):.1f}" if readings else "",
                output.gigabytes(max(reading.resident for reading in readings)) if readings else "",
                " ".join(path.name for path in outcome.files),
            )
        )
    if not output.is_quiet():
        output.table(("unit", "status", "seconds", "memory", "files"), rows)
    for error in summary.errors:
        output.report(error)
    if summary.errors:
        raise typer.Exit(worst(summary.errors))


def worst(errors: Sequence[AqueductError]) -> int:
    """Exit status for several errors: a defect of ours outranks the user's mistakes."""
    return min(error.exit_status for error in errors)
