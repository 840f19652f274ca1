from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.core.errors import ReferenceError
from aqueduct.references import crds, match

D, E, T = (
    "ROMAN.META.INSTRUMENT.DETECTOR",
    "ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT",
    "ROMAN.META.EXPOSURE.START_TIME",
)


def rules(tmp_path, selector: str, **header) -> crds.Rules:
    path = tmp_path / "roman_wfi_flat_0001.rmap"
    full = {"parkey": ((D, E), (T,)), "name": path.name, **header}
    path.write_text(f"header = {full!r}\n\nselector = {selector}\n")
    return crds.parse(path)


def choose(found: crds.Rules, detector="WFI01", element="F158", date="2026-01-01T00:00:00.000"):
    return found.choose({D: detector, E: element, T: date})


def test_the_key_that_matches_most_wins(tmp_path):
    found = rules(
        tmp_path,
        """Match({
            ('N/A', 'F158') : UseAfter({'2020-01-01 00:00:00' : 'any.asdf'}),
            ('WFI01|WFI02', 'F158') : UseAfter({'2020-01-01 00:00:00' : 'both.asdf'}),
            ('*', 'F129') : UseAfter({'2020-01-01 00:00:00' : 'f129.asdf'}),
        })""",
    )
    assert choose(found) == "both.asdf"
    assert choose(found, "WFI03") == "any.asdf"
    assert choose(found, "WFI03", "F129") == "f129.asdf"
    with pytest.raises(LookupError, match="F184"):
        choose(found, element="F184")


def test_latest_date_not_after_the_exposure(tmp_path):
    found = rules(
        tmp_path,
        """Match({('*', '*') : UseAfter({
            '2020-01-01 00:00:00' : 'a.asdf',
            '2026-01-01 00:00:00' : 'c.asdf',
            '2025-06-01 12:00:00' : 'b.asdf',
        })})""",
    )
    assert choose(found, date="2026-01-01T00:00:00.000") == "c.asdf"
    assert choose(found, date="2025-12-31T23:59:59.999") == "b.asdf"
    assert choose(found, date="2025-06-01 11:59:59") == "a.asdf"
    with pytest.raises(LookupError, match="begin later"):
        choose(found, date="2019-01-01T00:00:00")


def test_where_the_best_key_has_no_date_the_next_is_tried(tmp_path):
    found = rules(
        tmp_path,
        """Match({
            ('WFI01', 'F158') : UseAfter({'2030-01-01 00:00:00' : 'later.asdf'}),
            ('N/A', 'F158') : UseAfter({'2020-01-01 00:00:00' : 'any.asdf'}),
        })""",
    )
    assert choose(found) == "any.asdf"
    assert choose(found, date="2031-01-01") == "later.asdf"


def test_ties_are_merged(tmp_path):
    found = rules(
        tmp_path,
        """Match({
            ('*', 'F158') : UseAfter({'2020-01-01 00:00:00' : 'z.asdf',
                                      '2022-01-01 00:00:00' : 'a.asdf'}),
            ('WFI01', '*') : UseAfter({'2020-01-01 00:00:00' : 'y.asdf',
                                       '2024-01-01 00:00:00' : 'b.asdf'}),
        })""",
    )
    assert choose(found, date="2021-01-01") == "z.asdf"  # the greater name on equal dates
    assert choose(found, date="2023-01-01") == "a.asdf"
    assert choose(found, date="2025-01-01") == "b.asdf"


def test_ties_of_plain_files_are_ambiguous(tmp_path):
    found = rules(tmp_path, "Match({('*', 'F158') : 'a.asdf', ('WFI01', '*') : 'b.asdf'})")
    with pytest.raises(ReferenceError, match="ambiguous"):
        choose(found)


def test_selectors_nest_in_the_order_of_the_header(tmp_path):
    found = rules(
        tmp_path,
        """UseAfter({'2020-01-01 00:00:00' : Match({('WFI01',) : Match({('F158',) : 'x.asdf'}),
                                                    ('WFI02',) : 'N/A'})})""",
        parkey=((T,), (D,), (E,)),
    )
    assert choose(found) == "x.asdf"
    assert choose(found, "WFI02") == crds.NOT_APPLICABLE


def test_no_parameters_and_bare_values(tmp_path):
    found = rules(
        tmp_path,
        "Match({() : UseAfter({'2020-01-01 00:00:00' : 'all.asdf'})})",
        parkey=((), (T,)),
    )
    assert choose(found) == "all.asdf"
    bare = rules(tmp_path, "Match({'north' : 'n.fits'})", parkey=((D,),))
    assert choose(bare, "NORTH") == "n.fits"


def test_undefined_parameters_match_wild_cards_only(tmp_path):
    found = rules(
        tmp_path,
        """Match({('WFI01', 'F158') : UseAfter({'2020-01-01 00:00:00' : 'a.asdf'}),
                  ('WFI01', '*') : UseAfter({'2020-01-01 00:00:00' : 'b.asdf'})})""",
    )
    assert found.choose({D: "WFI01", T: "2026-01-01"}) == "b.asdf"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (1, "1.0"),
        ("2.", "2.0"),
        ("any", "*"),
        (True, "T"),
        ("not applicable", "N/A"),
        ("n/a_x", "N/A"),
        ("a|1", "A|1"),
    ],
)
def test_values_are_conditioned(raw, value):
    assert match.conditioned(raw) == value


@given(st.text(alphabet="ABCDEFGHIJKLMNOP0123456789|*.", max_size=12))
def test_conditioning_is_idempotent(text):
    once = match.conditioned(text)
    assert match.conditioned(once) == once
    once = match.conditioned_key(text)
    assert match.conditioned_key(once) == once


@pytest.mark.parametrize(
    ("key", "yes", "no"),
    [
        ("F158", ["F158", "*"], ["F1580", "UNDEFINED"]),
        ("f129|1", ["F129", "1.0", "*"], ["1"]),
        ("F1*|GRISM", ["F1", "F158", "GRISM"], ["F062", "GRISM0"]),
        ("{F1*}", ["F1*"], ["F158"]),
        ("(F1.*)", ["F158"], ["F062"]),
        (">1.5", ["2.0", "1e3"], ["1.5", "F158"]),
        ("<=1.5", ["1.5", "-2"], ["1.6"]),
        ("between 1 3", ["1", "2.9"], ["3", "0.9"]),
        ("# >1 and <=3 #", ["2", "3"], ["1", "4"]),
        ("# <1 or >3 #", ["0", "4"], ["1", "3"]),
        ("not F158", ["F129", "UNDEFINED"], ["F158", "*"]),
        ("not between 1 3", ["3"], ["2"]),
    ],
)
def test_elements_of_keys(key, yes, no):
    key = match.conditioned_key(key)
    for value in yes:
        assert match.compare(key, value) == 1
    for value in no:
        assert match.compare(key, value) == -1
    assert match.compare(key, "N/A") == 0
    assert match.compare("N/A", "F158") == 0


@pytest.mark.parametrize(
    "selector",
    [
        "__import__('os').system('touch /tmp/executed')",
        "Match({('*',) : open('x')})",
        "SelectVersion({'<3' : 'a.asdf'})",
        "Match({('*',) : UseAfter({'no date' : 'a.asdf'})})",
        "Match(",
        "[x for x in (1, 2)]",
    ],
)
def test_only_literals_and_known_selectors_are_accepted(tmp_path, selector):
    with pytest.raises(ReferenceError, match="not a CRDS mapping"):
        rules(tmp_path, selector)


def test_rules_that_are_not_supported_are_refused(tmp_path):
    with pytest.raises(ReferenceError, match="rmap_omit"):
        choose(rules(tmp_path, "Match({('*', '*') : 'a.asdf'})", rmap_omit="(DETECTOR=='WFI01')"))
    with pytest.raises(ReferenceError, match="no relation"):
        choose(rules(tmp_path, "Match({('# >x #', '*') : 'a.asdf'})"))


def test_a_value_that_no_key_lists_ends_the_search(tmp_path):
    """The client checks a value against the keys' own texts before it reads wild cards."""
    found = rules(tmp_path, "Match({('WFI0*', 'F158') : 'a.asdf'})")
    with pytest.raises(LookupError):
        choose(found)
    assert choose(rules(tmp_path, "Match({('WFI0*|*', 'F158') : 'a.asdf'})")) == "a.asdf"


@pytest.mark.parametrize("name", ["N/A", "TEMP_N/A", "OMIT"])
def test_rules_may_say_that_there_is_none(tmp_path, name):
    found = rules(tmp_path, f"Match({{('*', '*') : UseAfter({{'2020-01-01' : '{name}'}})}})")
    assert choose(found) == match.NOT_APPLICABLE


def test_a_reference_that_is_not_required_is_not_applicable(tmp_path):
    found = rules(tmp_path, "Match({('WFI02', 'F158') : 'a.asdf'})", reffile_required="no")
    assert choose(found) == match.NOT_APPLICABLE


def test_substitutions_change_keys(tmp_path):
    found = rules(
        tmp_path,
        "Match({('ALL', 'F158') : 'a.asdf'})",
        substitutions={D: {"ALL": "N/A"}},
    )
    assert choose(found) == "a.asdf"


def test_a_mapping_must_fit_its_checksum_and_have_each_key_once(tmp_path):
    with pytest.raises(ReferenceError, match="sha1sum"):
        rules(tmp_path, "Match({('*', '*') : 'a.asdf'})", sha1sum="0" * 40)
    with pytest.raises(ReferenceError, match="two keys"):
        rules(tmp_path, "Match({('A|B', '*') : 'a.asdf', (('A', 'B'), 'ANY') : 'b.asdf'})")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-01-01", "2026-01-01 00:00:00"),
        ("2026-01-01T01:02", "2026-01-01 01:02:00"),
        ("2026/01/01 01:02:03.5", "2026-01-01 01:02:03.500000"),
        ("2026-01-01T00:00:35.123", "2026-01-01 00:00:35.122999"),  # cut off, not rounded
    ],
)
def test_dates(text, date):
    assert crds.standard_date(text) == date


@pytest.mark.parametrize("text", ["2026-13-01", "2026-01-01T00:00:00Z", "today", "UNDEFINED"])
def test_no_dates(text):
    with pytest.raises(LookupError, match="no date"):
        crds.standard_date(text)


def test_files_of_rules(tmp_path):
    found = rules(tmp_path, "Match({('A', 'B') : UseAfter({'2020-01-01' : 'a.asdf'})})")
    assert found.files() == {(("A", "B"), "2020-01-01"): "a.asdf"}
    nested = rules(
        tmp_path,
        "UseAfter({'2020-01-01' : Match({('A',) : 'a.asdf'})})",
        parkey=((T,), (D,)),
    )
    with pytest.raises(ReferenceError, match="unknown way"):
        nested.files()
