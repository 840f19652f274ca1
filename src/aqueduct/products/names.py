"""Product identifiers and file names: one parser, one builder.

Level 1 and 2: ``r<visit id, 19 digits>_<exposure>_wfi<NN>_<filter>_<suffix>.asdf``.
Level 3: ``r<program>_<release>_<group>_<sky cell>_<filter>_<suffix>``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aqueduct.core.errors import InputError

_EXPOSURE = re.compile(
    r"r(?P<visit>\d{19})_(?P<exposure>\d{4})_(?P<detector>wfi\d\d)(?:_(?P<element>[a-z0-9]+))?"
    r"_(?P<suffix>uncal|cal|wcs|segm|cat|gw|face)\.(?P<type>asdf|parquet)"
)
_PARTS = (
    ("program", 5),
    ("plan", 2),
    ("pass_", 3),
    ("segment", 3),
    ("observation", 3),
    ("visit", 3),
)


@dataclass(frozen=True)
class VisitId:
    """The 19 digits of a visit: PPPPPCCAAASSSOOOVVV."""

    program: int
    plan: int
    pass_: int
    segment: int
    observation: int
    visit: int

    def __str__(self) -> str:
        return "".join(f"{getattr(self, name):0{width}d}" for name, width in _PARTS)

    @classmethod
    def parse(cls, text: str) -> VisitId:
        if not re.fullmatch(r"\d{19}", text):
            raise InputError(f"{text!r} is no visit identifier (19 digits)")
        values, start = {}, 0
        for name, width in _PARTS:
            values[name], start = int(text[start : start + width]), start + width
        return cls(**values)


@dataclass(frozen=True)
class ExposureName:
    """The name of a Level 1 or 2 file, in parts."""

    visit: VisitId
    exposure: int
    detector: str
    optical_element: str

    def file(self, suffix: str, kind: str = "asdf") -> str:
        return (
            f"r{self.visit}_{self.exposure:04d}_{self.detector.lower()}"
            f"_{self.optical_element.lower()}_{suffix}.{kind}"
        )

    @classmethod
    def parse(cls, name: str) -> ExposureName:
        """Read a file name.

        Raises
        ------
        InputError
            If it is not that of a Level 1 or 2 product.
        """
        match = _EXPOSURE.fullmatch(name)
        if not match:
            raise InputError(
                "not the name of a Level 1 or 2 product",
                where=name,
                hint="names look like r0000101001001001001_0001_wfi01_f158_uncal.asdf",
            )
        return cls(
            VisitId.parse(match["visit"]),
            int(match["exposure"]),
            match["detector"].upper(),
            (match["element"] or "").upper(),
        )


def group_name(visit: VisitId, by: str) -> str:
    """The group part of a Level 3 name: visit, pass or full."""
    text = str(visit)
    return {"visit": f"v{text[5:]}", "pass": f"p{text[5:10]}", "full": "full"}[by]


def coadd_root(program: int, release: str, group: str, cell: str, element: str) -> str:
    """Root of a Level 3 product's name, without suffix."""
    return f"r{program:05d}_{release}_{group}_{cell}_{element.lower()}"


def multiband_root(coadd: str, element: str) -> str:
    """Root of the multiband product made from a co-add's root: the same without the filter."""
    ending = f"_{element.lower()}"
    return coadd[: -len(ending)] if coadd.endswith(ending) else coadd
