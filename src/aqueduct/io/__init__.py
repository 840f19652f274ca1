"""Products and associations to and from files: ASDF, Parquet, JSON."""

from aqueduct.io.association import read_association, write_association
from aqueduct.io.cutout import Cutout, cutout
from aqueduct.io.files import preload, read, revise, write
from aqueduct.io.folder import prepare_folder
from aqueduct.io.formats import Generation
from aqueduct.io.header import Header, peek
from aqueduct.io.planes import Index, index

__all__ = [
    "Cutout",
    "Generation",
    "Header",
    "Index",
    "cutout",
    "index",
    "peek",
    "preload",
    "prepare_folder",
    "read",
    "read_association",
    "revise",
    "write",
    "write_association",
]
