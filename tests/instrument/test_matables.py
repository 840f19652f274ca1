from __future__ import annotations

import asdf
import pytest

from aqueduct.instrument import ma_table
from aqueduct.instrument.matables import numbers


def test_a_table_of_rev_h() -> None:
    table = ma_table(1049)
    assert table.name == "IM_66_6_V2" and table.identifier == "SCI1049"
    assert table.read_pattern[3] == (17, 18, 19, 20)
    assert table.accumulated_exposure_time[0] == pytest.approx(3.16247)
    assert table.accumulated_exposure_time[-1] == pytest.approx(66.41188, abs=2e-5)


def test_spectroscopy_takes_longer_frames() -> None:
    table = ma_table(4).in_mode("WSM")
    assert (table.frame_time, table.mode) == (5.14116, "WSM")
    assert table.read_pattern == ma_table(4).read_pattern
    assert table.truncated(3).frame_time == 5.14116
    assert table.in_mode("WIM") == ma_table(4)


@pytest.mark.parametrize("number", numbers())
def test_entries_have_all_official_fields(number: int) -> None:
    schema = asdf.schema.load_schema(
        "asdf://stsci.edu/datamodels/roman/schemas/reference_files/matable-2.0.0"
    )
    (fields,) = schema["properties"]["science_tables"]["patternProperties"].values()
    entry = ma_table(number).entry()
    assert set(fields["required"]) <= set(entry)
    asdf.schema.validate(entry, schema=fields)
    assert entry["reset_frame_time"] == pytest.approx(3.16248)
    before = entry["integration_duration"][0] - entry["accumulated_exposure_time"][0]
    assert before == pytest.approx(2 * 3.16247 + 1e-5)
