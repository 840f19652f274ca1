"""The entry point: global options, the verbs, and what becomes of errors.

Exit status: 0 done, 1 a defect of ours, 2 the user can mend it, 130 interrupted.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from aqueduct.cli import (
    associate,
    config,
    convert,
    cutout,
    demo,
    doctor,
    explain,
    find,
    output,
    psf,
    references,
    run,
    show,
)
from aqueduct.cli import simulate as simulation
from aqueduct.core.errors import AqueductError, InternalError

if TYPE_CHECKING:
    from typer._click import Context

_ANYWHERE = ("--debug", "-q", "--quiet")


class Verbs(TyperGroup):
    """The verbs; tells errors raised on purpose from defects."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Take the global flags before the verb or after it."""
        end = args.index("--") if "--" in args else len(args)
        flags = [word for word in args[:end] if word in _ANYWHERE]
        rest = [word for word in args[:end] if word not in _ANYWHERE]
        return super().parse_args(ctx, [*flags, *rest, *args[end:]])

    def invoke(self, ctx: Context) -> Any:
        """Run a verb; turn any error into a message and an exit status."""
        try:
            return super().invoke(ctx)
        except AqueductError as error:
            failure = error
        except Exception as error:
            # typer's own: usage errors, exits, and the reader of a pipe that went away
            if hasattr(error, "exit_code") or isinstance(error, typer.Abort):
                raise
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            failure = InternalError(
                f"internal error: {type(error).__name__}: {error}",
                hint="run again with --debug and report what it prints",
            )
            failure.__cause__ = error
        output.report(failure)
        raise typer.Exit(failure.exit_status)


app = typer.Typer(
    cls=Verbs,
    name="aqueduct",
    help="Simulate, calibrate, co-add, measure and find data of the Roman Wide Field Instrument.",
    epilog="Examples of each verb: aqueduct VERB --help",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"aqueduct {version('roman-aqueduct')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Print the traceback of an error.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Results and errors only; no progress.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take the options that go with every verb."""
    output.configure(quiet=quiet, debug=debug)


app.add_typer(simulation.app, name="simulate")
app.command("run")(run.run)
app.command("associate")(associate.associate)
app.command("show")(show.show)
app.command("explain")(explain.explain)
app.command("config")(config.config)
app.command("convert")(convert.convert)
app.command("cutout")(cutout.cutout)
app.add_typer(psf.app, name="psf")
app.add_typer(references.app, name="references")
app.command("find")(find.find)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line."""
    app(prog_name="aqueduct")
