"""The package itself, as used from Python."""

from __future__ import annotations

import subprocess
import sys

import pytest

import aqueduct
from aqueduct.core.errors import InputError


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, aqueduct\n"
        "print([name for name in ('numpy', 'astropy', 'asdf', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_open_gives_the_product(image):
    product = aqueduct.open(image())
    assert product.data.shape == (100, 100)
    assert product.meta["instrument"]["optical_element"] == "F158"
    with pytest.raises(InputError):
        aqueduct.open("absent.asdf")


def test_run_may_be_called():
    with pytest.raises(InputError, match="no such file"):
        aqueduct.run("mosaic", "absent.asdf")


def test_version_and_unknown_names():
    assert aqueduct.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="nonsense"):
        _ = aqueduct.nonsense
