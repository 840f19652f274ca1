"""Products and associations to and from files: ASDF, Parquet, JSON."""

from aqueduct.io.association import read_association, write_association
from aqueduct.io.files import preload, read, write
from aqueduct.io.folder import prepare_folder
from aqueduct.io.formats import Generation
from aqueduct.io.header import Header, peek

__all__ = [
    "Generation",
    "Header",
    "peek",
    "preload",
    "prepare_folder",
    "read",
    "read_association",
    "write",
    "write_association",
]
