"""Reference files: selected by the rules of CRDS, cached, loaded into typed references."""

from aqueduct.references.bundle import bundle, install
from aqueduct.references.deliver import Delivered, deliver
from aqueduct.references.difference import Change, difference
from aqueduct.references.history import write_history
from aqueduct.references.load import load
from aqueduct.references.parameters import Parameters, parameters
from aqueduct.references.provider import References, Row, crds_record, default_root
from aqueduct.references.stale import Stale, stale
from aqueduct.references.write import write_astrometry, write_set

__all__ = [
    "Change",
    "Delivered",
    "Parameters",
    "References",
    "Row",
    "Stale",
    "bundle",
    "crds_record",
    "default_root",
    "deliver",
    "difference",
    "install",
    "load",
    "parameters",
    "stale",
    "write_astrometry",
    "write_history",
    "write_set",
]
