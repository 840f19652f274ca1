from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.core.errors import InputError, ReferenceError
from aqueduct.level2.linearity import LARGEST, LinearityConfig, linearity
from aqueduct.products import Ramp, Window
from aqueduct.products.references import (
    IntegralNonlinearityReference,
    InverseLinearityReference,
    LinearityReference,
)

PATTERN = [[1], [2, 3], [4, 5, 6, 7], [8, 9, 10, 11, 12, 13], [14]]
SHAPE = (3, 9)
WINDOW = Window(40, 124, *SHAPE)
"""Reaches over a channel boundary, as a block with a halo does."""

QUADRATIC = 2e-6


def observed(charge: np.ndarray) -> np.ndarray:
    """Exact inverse of charge = value + 2e-6 value^2."""
    return (np.sqrt(1 + 4 * QUADRATIC * charge) - 1) / (2 * QUADRATIC)


def references(seed: int = 1) -> dict:
    rng = np.random.default_rng(seed)
    shape = (4, *SHAPE)
    forward, inverse = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    forward[1], forward[2] = 1, QUADRATIC
    # The series of the inverse; its remainder is below 0.1 DN at 10000 DN.
    inverse[1], inverse[2], inverse[3] = 1, -QUADRATIC, 2 * QUADRATIC**2
    # Smooth, and an error for each bit of the converter: steps of a DN between neighbours.
    code = np.arange(65536)
    bits = (code[:, None] >> np.arange(16)) & 1
    smooth = 5 * np.sin(code / 3000 + rng.uniform(0, 6, (32, 1)))
    correction = smooth + rng.normal(0, 0.4, (32, 16)) @ bits.T
    return {
        "linearity": LinearityReference(coeffs=forward, dq=np.zeros(SHAPE, np.uint32)),
        "inverse_linearity": InverseLinearityReference(
            coeffs=inverse, dq=np.zeros(SHAPE, np.uint32)
        ),
        "integral_nonlinearity": IntegralNonlinearityReference(
            value=np.arange(65536, dtype=np.uint16), correction=correction
        ),
    }


def ramp(data: np.ndarray, pattern: list[list[int]] = PATTERN) -> Ramp:
    meta = {
        "instrument": {"detector": "WFI01", "optical_element": "F158"},
        "exposure": {
            "type": "WFI_IMAGE",
            "frame_time": 3.0,
            "read_pattern": pattern,
            "start_time": None,
        },
    }
    data = np.asarray(data, np.float32)
    return Ramp(data, np.zeros(data.shape, np.uint8), np.zeros(SHAPE, np.uint32), meta, WINDOW)


def charges(rate: float) -> list[np.ndarray]:
    """Linear charge of every read, by resultant: (read, row, column)."""
    pixel = np.linspace(4000, 5000, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    return [np.array([pixel + rate * read for read in reads]) for reads in PATTERN]


def naive(given: Ramp, refs: dict, integral: bool) -> np.ndarray:
    """The same method with numpy's own interpolation and polynomials, pixel by pixel."""
    out = given.data.astype(float)
    for row, column in np.ndindex(SHAPE):
        f = np.polynomial.Polynomial(refs["linearity"].coeffs[:, row, column])
        g = np.polynomial.Polynomial(refs["inverse_linearity"].coeffs[:, row, column])
        table = refs["integral_nonlinearity"].correction[(WINDOW.column + column) // 128]
        values = given.data[:, row, column].astype(float)
        saturated = (given.groupdq[:, row, column] & dq.SATURATED) != 0
        last = max(np.count_nonzero(~saturated) - 1, 2) - 1
        linear = np.where(saturated, values, f(values))
        means = np.array([np.mean(reads) for reads in PATTERN])
        rate = (linear[last] - linear[0]) / (means[last] - means[0])
        for i, reads in enumerate(PATTERN):
            seen = g(linear[0] + rate * (np.array(reads) - means[0]))
            seen += values[i] - seen.mean()
            if integral:
                seen += np.interp(seen, np.arange(65536), table)
            if not saturated[i]:
                out[i, row, column] = f(seen).mean()
    return out


@pytest.mark.parametrize("rate", [5.0, 300.0])
def test_a_linear_ramp_is_recovered_through_averaging(rate: float) -> None:
    reads = charges(rate)
    given = ramp([observed(read).mean(axis=0) for read in reads])
    made = linearity(given, **references(), config=LinearityConfig(integral=False))
    truth = np.array([read.mean(axis=0) for read in reads])
    np.testing.assert_allclose(made.data, truth, atol=0.01)


@pytest.mark.parametrize("integral", [True, False])
def test_agrees_with_a_naive_version(integral: bool) -> None:
    rng = np.random.default_rng(2)
    data = np.array([read.mean(axis=0) for read in charges(400.0)]) + rng.normal(0, 8, (5, *SHAPE))
    given = ramp(data)
    for pixel, first in enumerate((0, 1, 2, 3, 4)):
        given.groupdq[first:, 1, pixel] = dq.SATURATED
    refs = references()
    refs["linearity"].coeffs[3] = rng.normal(0, 1e-12, SHAPE)
    before = given.data.copy()
    made = linearity(given, **refs, config=LinearityConfig(integral=integral))
    np.testing.assert_allclose(made.data, naive(given, refs, integral), atol=2e-3)
    np.testing.assert_array_equal(given.data, before)
    np.testing.assert_array_equal(made.groupdq, given.groupdq)


def noisy_reads(refs: dict, step: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Resultants of converted reads with 5 DN of noise, and what they should be corrected to."""
    table = refs["integral_nonlinearity"].correction
    channel = (WINDOW.column + np.arange(SHAPE[1])) // 128
    start = rng.uniform(5000, 6000, SHAPE)
    given, right = [], []
    for reads in PATTERN:
        codes = [np.rint(start + step * read + rng.normal(0, 5, SHAPE)) for read in reads]
        given.append(np.mean(codes, axis=0))
        right.append(np.mean([code + table[channel, code.astype(int)] for code in codes], axis=0))
    return np.array(given), np.array(right)


@pytest.mark.parametrize("step", [0.4, 4.0, 8.0])
def test_a_continuum_leaves_less_error_of_the_converter_than_points(step: float) -> None:
    refs = references()
    refs["linearity"].coeffs[2:] = 0
    refs["inverse_linearity"].coeffs[2:] = 0
    rng, left = np.random.default_rng(5), {True: [], False: []}
    for _ in range(60):
        given, right = noisy_reads(refs, step, rng)
        for continuum in left:
            made = linearity(ramp(given), **refs, config=LinearityConfig(continuum=continuum))
            left[continuum].append(made.data - right)
    error = {continuum: np.std(each, axis=(0, 2, 3)) for continuum, each in left.items()}
    assert np.all(error[True][1:4] < 0.95 * error[False][1:4])
    assert np.all(error[True][[0, 4]] < 1e-3), "single reads are known"


def test_a_continuum_bends_as_all_reads_do() -> None:
    refs = references()
    pixel = np.linspace(3000, 20000, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    charge = [np.array([pixel + 20 * read for read in reads]) for reads in PATTERN]
    given = ramp([observed(each).mean(axis=0) for each in charge])
    points = linearity(given, **refs, config=LinearityConfig(integral=False, continuum=False))
    made = linearity(given, **refs, config=LinearityConfig(integral=False))
    assert np.all(np.abs(made.data - points.data) < 1e-3 + np.spacing(made.data))


def test_a_pixel_does_not_care_which_others_are_slow() -> None:
    """Jumps, saturation, ends of the table and NaN are left to the other way, pixel by pixel."""
    given = ramp([read.mean(axis=0) for read in charges(10.0)])
    given.data[3:, 0, 0] += 700
    given.groupdq[4, 0, 1] = dq.SATURATED
    given.data[:, 0, 2] -= 3500
    given.data[2, 0, 3] = np.nan
    refs = references()
    refs["linearity"].coeffs[3, 0, 4] = 1e-9
    made = linearity(given, **refs, config=LinearityConfig())
    points = linearity(given, **refs, config=LinearityConfig(continuum=False))
    np.testing.assert_array_equal(made.data[:, 0, :5], points.data[:, 0, :5])
    assert np.all(made.data[3, 1] != points.data[3, 1])


@pytest.mark.parametrize("level", [5_000.0, 20_000.0, 45_000.0])
def test_few_nodes_give_what_all_reads_give(level: float) -> None:
    """From sky to saturation: what is left is the rounding of the ramp's own type."""
    refs = references()
    inverse = refs["inverse_linearity"].coeffs
    refs["linearity"] = replace(refs["linearity"], coeffs=np.zeros((7, *SHAPE), np.float32))
    for power, value in enumerate((0.7, 1.001, 8e-7, 1.2e-12, 2.6e-18, 2.9e-24, 3e-29)):
        refs["linearity"].coeffs[power] = value
    refs["inverse_linearity"] = replace(refs["inverse_linearity"], coeffs=inverse[:3])
    pixel = np.linspace(5_000, 6_000, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    rate = (level - pixel) / PATTERN[-1][0]
    means = np.array([np.mean(reads) for reads in PATTERN])
    given = ramp(pixel + means[:, None, None] * rate)
    made = linearity(given, **refs, config=LinearityConfig(continuum=False))
    left = made.data - naive(given, refs, True)
    assert np.all(np.abs(left) < 1e-3 + np.spacing(made.data) / 2)
    assert np.abs(left.mean()) < 3e-4


def test_reads_need_not_be_evenly_spaced() -> None:
    pattern = [[1], [2, 4], [5, 6, 8, 13], [14, 15, 30], [31]]
    pixel = np.linspace(4000, 5000, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    charge = [np.array([pixel + 200 * read for read in reads]) for reads in pattern]
    given = ramp([observed(each).mean(axis=0) for each in charge], pattern)
    made = linearity(given, **references(), config=LinearityConfig(integral=False))
    np.testing.assert_allclose(made.data, [each.mean(axis=0) for each in charge], atol=0.01)


@pytest.mark.parametrize("which", ["linearity", "inverse_linearity"])
@pytest.mark.parametrize("fault", ["nan", "zero", "flag"])
def test_an_unusable_polynomial_becomes_the_identity(which: str, fault: str) -> None:
    given = ramp([read.mean(axis=0) for read in charges(100.0)])
    refs = references()
    bad, fine = (1, 4), (2, 4)
    if fault == "flag":
        refs[which].dq[bad] = dq.NO_LIN_CORR
    else:
        refs[which].coeffs[(1, *bad)] = np.nan if fault == "nan" else 0
    made = linearity(given, **refs, config=LinearityConfig(integral=False))
    assert made.pixeldq[bad] == dq.NO_LIN_CORR
    assert np.count_nonzero(made.pixeldq) == 1
    if which == "linearity":
        np.testing.assert_allclose(made.data[:, *bad], given.data[:, *bad], rtol=1e-6)
    assert np.all(made.data[:, *fine] > given.data[:, *fine] + 10)


def test_absurd_values_are_clipped_and_flagged() -> None:
    given = ramp([read.mean(axis=0) for read in charges(100.0)])
    refs = references()
    refs["linearity"].coeffs[2, 0, 0] = 1
    made = linearity(given, **refs, config=LinearityConfig())
    assert np.all(made.data[:, 0, 0] == LARGEST)
    assert np.all(made.groupdq[:, 0, 0] == dq.DO_NOT_USE)
    assert np.count_nonzero(made.groupdq) == len(PATTERN)


def test_values_beyond_the_table_take_its_ends() -> None:
    data = np.full((5, *SHAPE), 70000.0)
    data[:, 1] = -100
    refs = references()
    refs["linearity"].coeffs[2] = 0
    refs["inverse_linearity"].coeffs[2:] = 0
    made = linearity(ramp(data), **refs, config=LinearityConfig())
    table = refs["integral_nonlinearity"].correction
    assert made.data[0, 0, 0] == pytest.approx(70000 + table[0, -1], abs=0.01)
    assert made.data[0, 1, 8] == pytest.approx(-100 + table[1, 0], abs=0.01)


def test_everything_saturated_keeps_its_values() -> None:
    given = ramp(np.full((5, *SHAPE), 60000.0))
    given = replace(given, groupdq=np.full_like(given.groupdq, dq.SATURATED))
    made = linearity(given, **references(), config=LinearityConfig())
    np.testing.assert_array_equal(made.data, given.data)


def test_one_resultant_is_refused() -> None:
    given = ramp(np.full((1, *SHAPE), 5000.0), [[1]])
    with pytest.raises(InputError, match="two or more"):
        linearity(given, **references(), config=LinearityConfig())


def test_a_table_that_skips_values_is_refused() -> None:
    refs = references()
    refs["integral_nonlinearity"] = IntegralNonlinearityReference(
        value=np.arange(0, 65536, 2, dtype=np.uint16), correction=np.zeros((32, 32768))
    )
    with pytest.raises(ReferenceError, match="0 to 65535"):
        linearity(ramp(np.full((5, *SHAPE), 5e3)), **refs, config=LinearityConfig())
