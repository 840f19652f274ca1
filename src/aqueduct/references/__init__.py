"""Reference files: selected by the rules of CRDS, cached, loaded into typed references."""

from aqueduct.references.load import load
from aqueduct.references.provider import References, Row, crds_record, default_root
from aqueduct.references.write import write_astrometry, write_set

__all__ = [
    "References",
    "Row",
    "crds_record",
    "default_root",
    "load",
    "write_astrometry",
    "write_set",
]
