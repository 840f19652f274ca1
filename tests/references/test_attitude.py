import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time

from aqueduct.core.errors import ReferenceError
from aqueduct.references.attitude import TO_BODY, TO_FGS, load_attitude

MJD = 61496.25


def rows(components=range(1, 5)):
    made = [
        (f"{name}_{k}", MJD + step / 86400, float(k + 10 * step))
        for name, steps in ((TO_BODY, (2, 0, 1)), (TO_FGS, (0,)))
        for step in steps
        for k in components
    ]
    return Table(rows=[*made, ("OTHER", MJD, 5.0)], names=("Mnemonic", "time", "value"))


@pytest.mark.parametrize("ending", ["ecsv", "parquet", "fits"])
def test_components_are_put_together_by_time(tmp_path, ending):
    path = tmp_path / f"attitude.{ending}"
    rows().write(path)
    found = load_attitude(path)
    np.testing.assert_allclose(found["time"], MJD + np.arange(3) / 86400, atol=1e-10)
    np.testing.assert_array_equal(found["to_body"], np.arange(1, 5) + 10 * np.arange(3)[:, None])
    np.testing.assert_array_equal(found["to_fgs"], [[1, 2, 3, 4]])


def test_times_may_be_dates(tmp_path):
    table = rows()
    table["time"] = Time(table["time"], format="mjd").isot
    table.write(tmp_path / "a.ecsv")
    found = load_attitude(tmp_path / "a.ecsv")
    np.testing.assert_allclose(found["time"], MJD + np.arange(3) / 86400, atol=1e-8)


def test_an_incomplete_quaternion_is_none(tmp_path):
    rows(components=(1, 2, 4)).write(tmp_path / "a.ecsv")
    with pytest.raises(ReferenceError, match="no time has all"):
        load_attitude(tmp_path / "a.ecsv")


def test_not_a_table(tmp_path):
    (tmp_path / "a.ecsv").write_text("nothing")
    with pytest.raises(ReferenceError, match="no table of telemetry"):
        load_attitude(tmp_path / "a.ecsv")
