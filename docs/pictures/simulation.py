"""Pictures of docs/explanation/simulation.md: ``python docs/pictures/simulation.py [name ...]``.

One Level 1 exposure is made for each preset, all from seed 1, one at a time. The noise budget
follows from the covariance C of the resultants (:mod:`aqueduct.simulate.ramp_noise`):

    w = C^-1 (t - t0) / norm,   noise_k = T (w' C_k w)^(1/2)    [electron RMS]

with C_k what one source of noise adds to C and T the exposure time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.geometry.tangent import TangentPlane
from aqueduct.instrument.filters import FILTERS, background
from aqueduct.instrument.matables import ma_table
from aqueduct.instrument.noise import detector_noise
from aqueduct.pipelines.make_references import detector_truth
from aqueduct.pipelines.programs import Sky, program_of, true_epsf
from aqueduct.products import Raw
from aqueduct.products.window import BORDER, CHANNEL, SCIENCE
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.optical import optical_epsf
from aqueduct.simulate import DetectorTruth, Observation, SceneConfig, draw_scene, level1
from aqueduct.simulate.detector import PIXEL_MODES, slow_noise
from aqueduct.simulate.dispersion import dispersed_sources, margin
from aqueduct.simulate.level1 import expose
from aqueduct.simulate.render import background_rate, sources
from aqueduct.simulate.scene.galaxies import GalaxyConfig
from aqueduct.simulate.scene.stars import StarConfig
from aqueduct.simulate.scene.universe import UniverseConfig
from aqueduct.simulate.signatures import ORDER

Floats = NDArray[np.float64]

IMAGES: Final = Path(__file__).parents[1] / "images" / "simulation"
DETECTOR: Final = "WFI01"
ZODIACAL: Final = 1.5
JITTER: Final = 8.0
_FIELD: Final = SceneConfig(
    model="universe",
    universe=UniverseConfig(
        galaxies=GalaxyConfig(limits=(16.0, 24.0)),
        stars=StarConfig(limits=(16.0, 24.0)),
        spectra=True,
    ),
)
SOURCES: Final = ("sky", "thermal", "dark", "read", "slow")


def noise_budget(element: str, table: int = 4) -> dict[str, float]:
    """Noise of a fitted pixel without sources, electron RMS, by what makes it; and ``total``."""
    taken, known = ma_table(table), detector_noise(DETECTOR)
    sky, thermal = background(element)
    rates = (1.1 * ZODIACAL * sky, thermal, known.dark)
    photon, read, slow = _covariances(taken.read_pattern, taken.frame_time)
    parts = [rate * photon for rate in rates]
    parts += [known.read**2 * read, slow_noise(known) ** 2 * slow]
    # As any fit: it knows of photons and of white noise.
    inverse = np.linalg.inv(sum(parts[:-1]))
    time = [taken.frame_time * np.mean(reads) for reads in taken.read_pattern]
    design = np.stack([np.ones(len(time)), time], axis=1)
    weights = (inverse @ design @ np.linalg.inv(design.T @ inverse @ design))[:, 1]
    seconds = taken.accumulated_exposure_time[-1]
    squares = [seconds**2 * float(weights @ part @ weights) for part in parts]
    named = zip((*SOURCES, "total"), [*squares, sum(squares)], strict=True)
    return {name: square**0.5 for name, square in named}


def _covariances(
    pattern: tuple[tuple[int, ...], ...], frame_time: float
) -> tuple[Floats, Floats, Floats]:
    """Of resultants: photons of 1 electron/s, white and slow noise of 1 electron."""
    reads = pattern[-1][-1]
    number = np.arange(1, reads + 1)
    mean = np.array([np.isin(number, one) / len(one) for one in pattern])
    mode = np.arange(1, PIXEL_MODES + 1)[:, None]
    modes = np.cos(np.pi * mode * (number - 0.5) / reads) / np.sqrt(mode)
    each = (
        frame_time * np.minimum.outer(number, number),
        np.eye(reads),
        modes.T @ modes,
    )
    photon, read, slow = (mean @ one @ mean.T for one in each)
    return photon, read, slow


def exposure(preset: str, without: tuple[str, ...] = ()) -> Raw:
    """The first exposure of a preset with WFI01, some effects left out."""
    sky, first, detector, epsf = _observed(preset)
    config = sky.program.level1
    order = tuple(name for name in ORDER if name not in without)
    signatures = config.signatures.model_copy(update={"order": order})
    config = config.model_copy(update={"signatures": signatures})
    return level1(sky.scene, first, detector, epsf, config, sky.exposure_rng("l1", first))[0]


def light(preset: str) -> NDArray[np.float32]:
    """What falls on the science pixels in that exposure, electron/s."""
    sky, first, detector, epsf = _observed(preset)
    perfect = replace(
        detector, response=np.ones_like(detector.dark), dark=np.zeros_like(detector.dark)
    )
    rate = expose(sky.scene, first, perfect, epsf, sky.program.level1)[0]
    return rate[BORDER:-BORDER, BORDER:-BORDER]


@lru_cache(maxsize=1)
def _observed(preset: str) -> tuple[Sky, Observation, DetectorTruth, Epsf]:
    program = program_of(preset, detectors=[DETECTOR])
    sky = Sky.of(program, seed=1)
    first = sky.observations()[0]
    epsf = true_epsf(DETECTOR, first.optical_element, program.level1.jitter, ipc=False)
    return sky, first, detector_truth(DETECTOR, program.detector), epsf


demo = cache(partial(exposure, "demo"))


def frame(preset: str) -> None:
    """An exposure less the offsets of channels, a part of it, and the light on that part."""
    raw = demo() if preset == "demo" else exposure(preset)
    gained = (raw.data[-1].astype(np.float32) - raw.data[0])[BORDER:-BORDER, BORDER:-BORDER]
    for channel in np.split(gained, range(CHANNEL - BORDER, SCIENCE, CHANNEL), axis=1):
        channel -= np.median(channel)
    good = _observed(preset)[2].dq[BORDER:-BORDER, BORDER:-BORDER] == 0
    summed, number = (
        plane.reshape(511, 8, 511, 8).sum(axis=(1, 3), dtype=np.float32)
        for plane in (gained * good, good)
    )
    axes = _axes(1, 3, (11.4, 4.1))
    part = np.s_[1900:2100, 1900:2100]
    _stretched(axes[0], summed / np.maximum(number, 1), extent=(0, 4088, 0, 4088))
    _stretched(axes[1], gained[part], extent=(1900, 2100, 1900, 2100))
    _stretched(axes[2], light(preset)[part], 0.1, extent=(1900, 2100, 1900, 2100))
    axes[0].indicate_inset((1900, 1900, 200, 200), edgecolor="tab:orange", alpha=1)
    axes[0].set_title(f"{preset}, {raw.meta['instrument']['optical_element']}")
    axes[1].set_title("200 pixels of it")
    axes[2].set_title("the light on them")
    _save(axes[0], preset)


def _stretched(axes: Any, image: NDArray[Any], faintest: float = 1e-3, **how: Any) -> None:
    """Linear in the noise, or below ``faintest``, and logarithmic beyond."""
    low, high = np.percentile(image, [16, 84])
    shown = np.arcsinh((image - low) / max(high - low, faintest))
    limits = np.percentile(shown, [1, 99.8])
    axes.imshow(shown, vmin=limits[0], vmax=limits[1], cmap=_greys(), origin="lower", **how)


def ramp() -> None:
    """Resultants of the pixels about a cosmic ray, with it and without."""
    hit, table = demo(), ma_table(4)
    clean = exposure("demo", without=("cosmic_rays",))
    time = [table.frame_time * np.mean(reads) for reads in table.read_pattern]
    gained = hit.data[-1, 1000:1100].astype(np.int64) - clean.data[-1, 1000:1100]
    before = hit.data[4, 1000:1100].astype(np.int64) - clean.data[4, 1000:1100]
    gained[(before != 0) | (gained > 1500)] = 0
    row, column = np.unravel_index(gained.argmax(), gained.shape)
    row += 1000
    axes = _axes(1, 2, (9.4, 3.6), width_ratios=(2, 1))
    for raw, style, name in ((hit, "o-", "with"), (clean, "s--", "without")):
        axes[0].plot(time, raw.data[:, row, column], style, ms=5, label=f"{name} the cosmic ray")
    axes[0].set(xlabel="mean time of the resultant, s", ylabel="DN")
    axes[0].set_title(f"pixel ({column}, {row})")
    axes[0].legend()
    around = np.s_[row - 10 : row + 11, column - 10 : column + 11]
    left = hit.data[-1][around].astype(np.int64) - clean.data[-1][around]
    axes[1].imshow(np.arcsinh(left / 10), cmap=_greys(), origin="lower", extent=(-10.5, 10.5) * 2)
    axes[1].set_title("what it leaves, last resultant")
    _save(axes[0], "ramp")


def noise() -> None:
    """The noise budget of all filters."""
    budgets = [noise_budget(element) for element in FILTERS]
    axes = _axes(1, 1, (8, 4.2))
    for k, name in enumerate((*SOURCES, "total")):
        values = [budget[name] for budget in budgets]
        place = np.arange(len(FILTERS)) + 0.13 * (k - 2.5)
        axes.bar(place, values, 0.13, label=name, color="black" if name == "total" else None)
    axes.set(xticks=range(len(FILTERS)), xticklabels=FILTERS, ylabel="electron RMS per pixel")
    axes.legend(ncols=6, fontsize="small", loc="upper left")
    axes.set_ylim(top=1.15 * max(budget["total"] for budget in budgets))
    _save(axes, "noise")


def drift() -> None:
    """Correlated noise: the second resultant less the first, and its rows."""
    from scipy.stats import trim_mean

    raw = demo()
    change = raw.data[1].astype(np.float32) - raw.data[0]
    amplifier = raw.amp33[1].astype(np.float32) - raw.amp33[0]
    axes = _axes(1, 2, (9.4, 4.4), width_ratios=(1, 1.15))
    binned = change.reshape(512, 8, 512, 8)
    binned = np.median(binned.swapaxes(1, 2).reshape(512, 512, 64), axis=2)
    low, high = np.percentile(binned, [1, 99])
    axes[0].imshow(
        binned, vmin=low, vmax=high, cmap=_greys(), origin="lower", extent=(0, 4096, 0, 4096)
    )
    axes[0].set_title("resultant 2 less resultant 1")
    rows = slice(0, 400)
    border = np.concatenate([change[rows, :BORDER], change[rows, -BORDER:]], axis=1)
    series = {
        "reference amplifier (amp33)": trim_mean(amplifier[rows], 0.1, axis=1),
        "32 channels": trim_mean(change[rows, BORDER:-BORDER], 0.1, axis=1),
        "left and right border, mean of 15 rows": np.convolve(
            border.mean(axis=1), np.ones(15) / 15, "same"
        ),
    }
    for k, (name, values) in enumerate(series.items()):
        axes[1].plot(values - np.median(values) + 7 * k, lw=0.8, label=name)
    axes[1].set(xlabel="row", ylabel="DN (shifted by 7)", ylim=(-6, 26))
    axes[1].legend(fontsize="small", loc="upper left")
    _save(axes[0], "drift")


def grism() -> None:
    """One field through F158 and through the grism: 139 s of photons, and read noise."""
    rows, columns = shape = (900, 600)
    rng = np.random.default_rng(3)
    sky = TangentPlane(15.0, -35.0, x0=columns / 2, y0=rows / 2, scale=0.11 / 3600, parity=-1)
    scene = draw_scene(_FIELD, 15.0, -35.0, 4.0, rng)
    x, y = sky.to_pixel(scene.ra, scene.dec)
    near = (np.abs(x - columns / 2) < columns / 2 + 30) & (
        np.abs(y - rows / 2) < rows / 2 + margin("GRISM")
    )
    scene, x, y = scene.take(np.flatnonzero(near)), x[near], y[near]
    epsf = true_epsf(DETECTOR, "F158", JITTER, ipc=False)
    direct = sources(scene, x, y, scene.rates(DETECTOR, "F158"), epsf, sky, shape)
    waves = cache(partial(optical_epsf, DETECTOR, "GRISM", size=161, grid=(2043.5,)))
    made = partial(dispersed_sources, scene, x, y, DETECTOR, "GRISM", sky=sky, shape=shape)
    dispersed = made(epsf_of_wavelength=lambda wavelength: waves(spectrum=wavelength))
    axes = _axes(1, 2, (8.2, 5.7))
    for panel, image, element in zip(axes, (direct, dispersed), ("F158", "GRISM"), strict=True):
        _stretched(panel, _noisy(image, element, rng))
        panel.set_title(element)
    _save(axes[0], "grism")


def _noisy(image: NDArray[np.float32], element: str, rng: np.random.Generator) -> Any:
    """Electrons of an MA table 4 exposure of electron/s, before any signature."""
    light = image + background_rate(element, DETECTOR, ZODIACAL).mean()
    photons = rng.poisson(light * ma_table(4).accumulated_exposure_time[-1])
    return photons + noise_budget("F158")["read"] * rng.standard_normal(image.shape)


def _axes(rows: int, columns: int, size: tuple[float, float], **how: Any) -> Any:
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=size, layout="constrained", **how)[1]


def _greys() -> Any:
    """Few greys, so that noise compresses."""
    from matplotlib import colormaps

    return colormaps["gray"].resampled(16)


def _save(axes: Any, name: str) -> None:
    """Write the figure of ``axes`` with a palette, a quarter of the size without."""
    from matplotlib import pyplot
    from PIL import Image

    path = IMAGES / f"{name}.png"
    axes.figure.savefig(path, dpi=100)
    pyplot.close(axes.figure)
    Image.open(path).convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE).save(
        path, optimize=True
    )


PRESETS: Final = ("demo", "high-latitude", "deep", "bulge", "calibration")
PICTURES: Final[dict[str, Callable[[], None]]] = {
    **{name: partial(frame, name) for name in PRESETS},
    "ramp": ramp,
    "drift": drift,
    "noise": noise,
    "grism": grism,
}


def main(names: list[str]) -> None:
    """Make the pictures of these names, or all."""
    import matplotlib

    matplotlib.use("Agg")
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        PICTURES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
