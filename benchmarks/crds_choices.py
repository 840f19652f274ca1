"""Choices by rules beside those of the official ``crds`` client, on random rules and headers.

Writes caches of random reference mappings (alternatives, wild cards, N/A, ties, several
dates, omitted values, expressions, substitutions, bad files), asks this package and the
client for the file of every type for random headers, and prints how often they agree::

    python benchmarks/crds_choices.py --peer PYTHON [--caches 20] [--headers 100] [--seed 0]

``--peer`` is a Python that has ``crds`` (made with 14.0.3). No network is used.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from aqueduct.core.errors import ReferenceError
from aqueduct.references import References
from aqueduct.references.crds import checksum
from aqueduct.references.provider import parameters

D, E, X, S, F = (
    "ROMAN.META.INSTRUMENT.DETECTOR",
    "ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT",
    "ROMAN.META.EXPOSURE.TYPE",
    "ROMAN.META.EXPOSURE.START_TIME",
    "ROMAN.META.EXPOSURE.MA_TABLE_NUMBER",
)
VALUES: Final[dict[str, tuple[Any, ...]]] = {
    D: ("WFI01", "WFI02", "WFI11", "wfi03"),
    E: ("F158", "F129", "GRISM", "PRISM"),
    X: ("WFI_IMAGE", "WFI_SPECTRAL", "WFI_FLAT"),
    F: (1, 2, "3", 1.5, "1e2"),
}
ODD: Final = ("N/A", "*", "ANY", "NOT_CONFIGURED", "UNDEFINED", "N/A_X", "T", True, "", "WFI0*")
EXPRESSIONS: Final = {
    D: ("NOT WFI01", "{WFI01|WFI02}", "(WFI0[12])", "WFI0*", "WFI?1|WFI02"),
    E: ("NOT GRISM|PRISM", "(F1.*)", "{F158}", "F1*|GRISM"),
    X: ("WFI_*|X", "NOT WFI_FLAT"),
    F: (">1", "<=1.5", "BETWEEN 1 2", "# >1 AND <=3 #", "# <2 OR >50 #", "NOT BETWEEN 1 2"),
}
KINDS: Final = {
    "flat": (D, E),
    "dark": (D, X),
    "gain": (D,),
    "epsf": (D, E),
    "matable": (),
    "readnoise": (D, X, F),
    "mask": (F,),
    "pars-rampfitstep": (),
    "pars-outlierdetectionstep": (X, D),
}
DATES: Final = (
    "2020-01-01 00:00:00",
    "2026-01-01 00:00:00",
    "2026-05-01 12:30:00",
    "2026-05-01 12:30:00.123000",
    "2027-01-01",
    "2027-01-01T06:00:00",
)
STARTS: Final = (
    *DATES,
    "2019-12-31T23:59:59.999",
    "2026-05-01T12:30:00.123",
    "2026-05-01T12:29:59.999999",
    "2027-01-01T06:00:01.5",
    "2027/01/02 00:00",
    "2027-01-01T06:00:00Z",
    "2027-13-01T00:00:00",
    "UNDEFINED",
    "today",
)


def element(stream: random.Random, name: str, odd: float) -> Any:
    """An element of a match key."""
    chance = stream.random()
    if chance < odd:
        return stream.choice((*EXPRESSIONS[name], *ODD[:4]))
    if chance < odd + 0.25:
        return stream.choice(("*", "N/A", "ANY"))
    picked = [str(value) for value in stream.sample(VALUES[name], stream.randint(1, 2))]
    return picked[0] if len(picked) == 1 else stream.choice(("|".join(picked), tuple(picked)))


def selector(stream: random.Random, kind: str, serial: Iterator[int]) -> str:
    """Text of a selector with random rules."""
    odd = stream.choice((0.0, 0.0, 0.15))
    rules = {}
    for _ in range(stream.randint(1, 8) if KINDS[kind] else 1):
        key = tuple(element(stream, name, odd) for name in KINDS[kind])
        dates = sorted(stream.sample(DATES, stream.randint(1, 3)))
        lines = [f"{date!r} : {file_name(stream, kind, serial)!r}" for date in dates]
        rules[repr(key)] = f"UseAfter({{ {', '.join(lines)} }})"
    return f"Match({{ {', '.join(f'{key} : {inner}' for key, inner in rules.items())} }})"


def file_name(stream: random.Random, kind: str, serial: Iterator[int]) -> str:
    if stream.random() < 0.05:
        return stream.choice(("N/A", "OMIT", "TEMP_N/A"))
    return f"roman_wfi_{kind}_{next(serial):04d}.asdf"


def write(path: Path, header: dict[str, Any], body: str) -> None:
    header = {"observatory": "roman", "name": path.name, "derived_from": "random", **header}

    lines = "".join(f"    {key!r} : {value!r},\n" for key, value in header.items())
    whole = f"header = {{\n{lines}    'sha1sum' : 'SUM',\n}}\n\nselector = {body}\n"
    path.write_text(whole.replace("SUM", checksum(whole)))


def make_cache(root: Path, stream: random.Random) -> list[str]:
    """A cache with several contexts; the files themselves are not there."""
    mappings, config = root / "mappings/roman", root / "config/roman"
    mappings.mkdir(parents=True)
    config.mkdir(parents=True)
    (root / "references/roman").mkdir(parents=True)
    serial = iter(range(1, 10**6))
    names: dict[str, str] = {}
    contexts = []
    for number in range(1, 5):
        for kind, keys in KINDS.items():
            if number > 1 and stream.random() < 0.6:
                continue
            name = f"roman_wfi_{kind}_{number:04d}.rmap"
            header: dict[str, Any] = {
                "mapping": "REFERENCE",
                "instrument": "wfi",
                "filekind": kind,
                "parkey": (keys, (S,)),
            }
            if stream.random() < 0.1:
                header["reffile_required"] = "no"
            if stream.random() < 0.1 and E in keys:
                header["substitutions"] = {E: {"F129": "F158"}}
            write(mappings / name, header, selector(stream, kind, serial))
            names[kind] = name if stream.random() > 0.05 else stream.choice(("N/A", "OMIT"))
        imap = f"roman_wfi_{number:04d}.imap"
        header = {"mapping": "INSTRUMENT", "instrument": "WFI", "parkey": ("REFTYPE",)}
        write(mappings / imap, header, repr(names))
        pmap = f"roman_{number:04d}.pmap"
        header = {"mapping": "PIPELINE", "parkey": ("ROMAN.META.INSTRUMENT.NAME",)}
        write(mappings / pmap, header, repr({"WFI": imap}))
        contexts.append(pmap)
    about = {
        "operational_context": contexts[2],
        "edit_context": contexts[3],
        "default_context": contexts[2],
        "observatory": "roman",
        "bad_files": "",
        "bad_files_set": [],
        "bad_files_list": [],
        "crds_version": {"str": "14.0.3"},
        "force_remote_mode": False,
        "last_synced": "2026-01-01 00:00:00",
    }
    (config / "server_config").write_text(repr(about))
    (config / "ref_cache_subdir_mode").write_text("flat")
    return [*contexts, "roman-latest", "roman-operational", "roman-edit", "latest"]


def make_header(stream: random.Random) -> dict[str, Any]:
    header: dict[str, Any] = {"ROMAN.META.INSTRUMENT.NAME": "WFI"}
    for name, values in VALUES.items():
        chance = stream.random()
        if chance > 0.08:
            header[name] = stream.choice(values if chance > 0.2 else ODD)
    if stream.random() > 0.03:
        header[S] = stream.choice(STARTS)
    return header


def nested(header: dict[str, Any]) -> dict[str, Any]:
    """The same header as the metadata of a product."""
    meta: dict[str, Any] = {}
    for name, value in header.items():
        *path, last = name.lower().removeprefix("roman.meta.").split(".")
        table = meta
        for part in path:
            table = table.setdefault(part, {})
        table[last] = value
    return meta


def own(root: Path, queries: list[tuple[str, dict[str, Any]]]) -> list[dict[str, str]]:
    """What this package chooses."""
    stores: dict[str, References] = {}
    found = []
    for context, header in queries:
        store = stores.setdefault(context, References(root, context))
        meta, row = nested(header), {}
        for kind in store.reftypes:
            try:
                rules = store.rules(kind)
                row[kind] = rules.choose(parameters(meta, rules)) if rules else "N/A"
            except LookupError:
                row[kind] = "none"
            except ReferenceError:
                row[kind] = "refused"
        found.append(row)
    return found


PEER = """
import json, sys
from crds.core import heavy_client, log
log.set_verbose(-3)
answers = []
for context, header in json.load(open(sys.argv[1])):
    try:
        found = heavy_client.getrecommendations(header, context=context, observatory="roman")
    except Exception as error:
        answers.append({"error": repr(error)})
        continue
    answers.append({kind: name if isinstance(name, str) else "several"
                    for kind, name in found.items()})
json.dump(answers, open(sys.argv[2], "w"))
"""


def theirs(peer: str, root: Path, queries: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """What the official client chooses."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "asked", Path(folder) / "answered"
        asked.write_text(json.dumps(queries))
        environment = {
            **{name: value for name, value in os.environ.items() if "CRDS" not in name},
            "CRDS_PATH": str(root),
            "CRDS_SERVER_URL": "https://roman-serverless.stsci.edu",
            "CRDS_OBSERVATORY": "roman",
        }
        command = [peer, "-c", PEER, str(asked), str(answered)]
        subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
        answers: list[Any] = json.loads(answered.read_text())
        return answers


def same(mine: str, official: str | None) -> bool:
    if official is None or official == "NOT FOUND n/a":
        return mine == "N/A"
    if official == "several":
        return mine == "refused"
    if official.startswith("NOT FOUND"):
        return mine in ("none", "refused")
    return mine == official


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True)
    parser.add_argument("--caches", type=int, default=20)
    parser.add_argument("--headers", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    seconds = 0.0
    for number in range(options.caches):
        stream = random.Random(options.seed * 10**6 + number)
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            contexts = make_cache(root, stream)
            queries = [
                (context, make_header(stream))
                for context in contexts
                for _ in range(options.headers)
            ]
            start = time.thread_time()
            mine = own(root, queries)
            seconds += time.thread_time() - start
            for query, row, other in zip(
                queries, mine, theirs(options.peer, root, queries), strict=True
            ):
                if "error" in other:
                    counts["the client fails: " + other["error"][:60]] += 1
                    continue
                for kind, name in row.items():
                    official = other.get(kind)
                    agreed = same(name, official)
                    counts["same" if agreed else "different"] += 1
                    counts["a file" if name.endswith(".asdf") else name] += 1
                    if not agreed and counts["different"] <= 10:
                        print("different:", kind, query, "here", name, "there", official)
    total = counts["same"] + counts["different"]
    print(f"{total} choices, {counts['different']} different; {dict(counts)}")
    print(f"{1e6 * seconds / max(total, 1):.1f} us CPU a choice here")
    sys.exit(1 if counts["different"] else 0)


if __name__ == "__main__":
    main()
