from __future__ import annotations

import pytest

from aqueduct.core.errors import MissingReferenceError, ReferenceError
from aqueduct.references import contexts
from aqueduct.references.cache import Layout


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path)
    layout.mappings.mkdir(parents=True)
    layout.config.mkdir(parents=True)
    for number in (1, 2, 3, 10):
        layout.mapping(f"roman_{number:04d}.pmap").write_text("")
    return layout


def says(layout, **entries):
    (layout.config / "server_config").write_text(repr(entries))


def test_the_newest_where_nothing_is_said(layout):
    for name in ("", "latest", "roman-latest", "roman-operational", "roman-edit"):
        assert contexts.resolve(layout, name) == "roman_0010.pmap"


def test_symbols_are_those_of_the_servers_last_word(layout):
    says(layout, operational_context="roman_0002.pmap", edit_context="roman_0003.pmap")
    assert contexts.resolve(layout) == "roman_0002.pmap"
    assert contexts.resolve(layout, "roman-operational") == "roman_0002.pmap"
    assert contexts.resolve(layout, "roman-edit") == "roman_0003.pmap"
    says(layout, operational_context="roman_0002.pmap", latest_context="roman_0003.pmap")
    assert contexts.resolve(layout, "roman-operational") == "roman_0003.pmap"
    says(layout, operational_context="roman_0099.pmap")  # not in this cache
    assert contexts.resolve(layout) == "roman_0010.pmap"


def test_names_are_taken_as_they_are(layout):
    assert contexts.resolve(layout, "roman_0099.pmap") == "roman_0099.pmap"
    assert contexts.resolve(layout, "roman_wfi_0001.imap") == "roman_wfi_0001.imap"
    with pytest.raises(ReferenceError, match="'roman-yesterday' is no context"):
        contexts.resolve(layout, "roman-yesterday")


def test_the_context_in_use_on_a_date(layout):
    with pytest.raises(MissingReferenceError, match="no context_history"):
        contexts.resolve(layout, "roman-2026-05-01T00:00:00")
    rows = [
        ("2026-05-01 00:00:00", "roman_0002.pmap", "archived", "second"),
        ("2026-01-01T12:00:00.5", "roman_0001.pmap", "archived", "first"),
        ("2026-09-01 00:00:00", "roman_0003.pmap", "latest", "third"),
    ]
    (layout.config / "context_history").write_text(repr(rows))
    for date, name in (
        ("roman-2026-05-01T00:00:00", "roman_0002.pmap"),
        ("roman-2026-04-30T23:59:59.9", "roman_0001.pmap"),
        ("2030-01-01", "roman_0003.pmap"),
    ):
        assert contexts.resolve(layout, date) == name
    with pytest.raises(MissingReferenceError, match="the first began on 2026-01-01"):
        contexts.resolve(layout, "roman-2026-01-01T12:00:00")


def test_what_can_not_be_read_is_told(layout):
    (layout.config / "server_config").write_text("import os")
    with pytest.raises(ReferenceError, match="server_config"):
        contexts.resolve(layout)


def test_a_new_context_is_put_into_use_and_the_rest_kept(layout):
    says(layout, operational_context="roman_0001.pmap", bad_files_list=["x"])
    contexts.add(layout, "roman_0002.pmap", "one")
    contexts.add(layout, "roman_0003.pmap", "two")
    assert contexts.resolve(layout) == "roman_0003.pmap"
    assert contexts.configuration(layout)["bad_files_list"] == ["x"]
    rows = contexts.history(layout)
    assert [row[1:] for row in rows] == [
        ("roman_0002.pmap", "latest", "one"),
        ("roman_0003.pmap", "latest", "two"),
    ]
    assert contexts.resolve(layout, rows[1][0].replace(" ", "T")) == "roman_0003.pmap"
