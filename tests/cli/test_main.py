from __future__ import annotations

import subprocess
import sys

import pytest

from aqueduct.cli import config, main, output
from aqueduct.core.errors import InputError

VERBS = [
    "run",
    "associate",
    "show",
    "explain",
    "config",
    "find",
    "doctor",
    "simulate",
    "simulate l1",
    "references",
    "references list",
    "references make",
    "references bundle",
    "references install",
    "references deliver",
    "references diff",
]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples(call, verb):
    result = call(*verb.split(), "--help")
    assert result.exit_code == 0
    assert "Examples:\n" in result.stdout
    assert f"aqueduct {verb}" in result.stdout.partition("Examples:")[2]


@pytest.mark.parametrize("words", ["--help", "run --help", "find --help", "--version"])
def test_help_imports_nothing_heavy(words):
    code = (
        "import sys\nfrom aqueduct.cli.main import app\n"
        f"try:\n    app({words.split()}, prog_name='aqueduct')\nexcept SystemExit as end:\n"
        "    assert not end.code\n"
        "heavy = ('numpy', 'astropy', 'asdf', 'numba', 'sqlalchemy', 'matplotlib', 'rich')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "words", ["", "nonsense", "show", "run exposure x.asdf", "run exposure x --out y --rad 1.0.0"]
)
def test_usage_errors_end_with_2(call, words):
    assert call(*words.split()).exit_code == 2


def test_a_mistake_says_what_where_and_next(call, tmp_path):
    result = call("show", tmp_path / "absent.asdf")
    assert result.exit_code == 2
    assert "absent.asdf: no such file" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def test_a_defect_ends_with_1_and_no_traceback(call, monkeypatch):
    monkeypatch.setattr(config, "rows", raising(ZeroDivisionError("by zero")))
    result = call("config", "mosaic")
    assert result.exit_code == 1
    assert "internal error: ZeroDivisionError: by zero" in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_prints_the_traceback(call, monkeypatch, place):
    monkeypatch.setattr(config, "rows", raising(ZeroDivisionError("by zero")))
    words = ["config", "mosaic"]
    result = call("--debug", *words) if place == "before" else call(*words, "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "in fail" in result.stderr


def test_flags_after_two_dashes_are_arguments(call):
    assert "--debug: " in call("show", "--", "--debug").stderr


def test_interruption_ends_with_130(call, monkeypatch):
    monkeypatch.setattr(config, "rows", raising(KeyboardInterrupt()))
    assert call("config", "mosaic").exit_code == 130


def test_a_reader_that_leaves_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -c 'from aqueduct.cli.main import main; main()' config exposure | true",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""


def test_version(call):
    assert call("--version").stdout.startswith("aqueduct ")


def test_main_runs_the_command_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["aqueduct", "show", "absent.asdf"])
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 2
    assert "absent.asdf" in capsys.readouterr().err


def test_tables_are_not_broken_without_a_terminal(capsys):
    output.table(("a", "b"), [("x" * 200, "[bold]y[/bold]")])
    heading, row = capsys.readouterr().out.splitlines()
    assert row == "x" * 200 + "  [bold]y[/bold]"
    assert heading == "a" + " " * 201 + "b"


def test_quiet_leaves_out_notes_but_not_errors(capsys):
    output.configure(quiet=True, debug=False)
    output.note("a note")
    output.report(InputError("a mistake", hint="do this"))
    output.configure(quiet=False, debug=False)
    output.note("another")
    assert capsys.readouterr().err == "error: a mistake\n  next: do this\nanother\n"
