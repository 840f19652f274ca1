"""What the instrument does to the light it collects: effects, their order, the readout."""

from aqueduct.simulate.signatures.chain import EFFECTS, ORDER, SignaturesConfig
from aqueduct.simulate.signatures.frame import Act, Band, Effect, Fluence, Frame
from aqueduct.simulate.signatures.ramps import Readout, ReadoutConfig, read_out
from aqueduct.simulate.signatures.response import IntraPixelConfig, intra_pixel

__all__ = [
    "EFFECTS",
    "ORDER",
    "Act",
    "Band",
    "Effect",
    "Fluence",
    "Frame",
    "IntraPixelConfig",
    "Readout",
    "ReadoutConfig",
    "SignaturesConfig",
    "intra_pixel",
    "read_out",
]
