"""Moved for a moment: see aqueduct.core.threads."""

from aqueduct.core.threads import *  # noqa
from aqueduct.core.threads import _limit  # noqa
