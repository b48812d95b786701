"""Moments are instants: the same one in another zone, unit or library is the same number."""

import datetime

import numpy as np
import pytest

from fastbp.data.columns import read_column, seconds_of

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

# 00:30Z and 01:30Z of the night in which clocks go back in Berlin: both are 02:30 there.
_TEXTS = ["2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", None, "1969-12-31T23:59:58.5Z"]
INSTANTS = pandas.Series(pandas.to_datetime(_TEXTS, format="ISO8601"))
SECONDS = [1729989000.0, 1729992600.0, np.nan, -1.5]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Tokyo"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_zones_and_units_make_no_difference(zone, unit):
    series = INSTANTS.dt.tz_convert(zone).dt.as_unit(unit)
    np.testing.assert_array_equal(seconds_of(read_column(series).values), SECONDS)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_libraries_make_no_difference(zone):
    frame = INSTANTS.dt.tz_convert(zone).to_frame("t")
    columns = [frame["t"].astype(object)]
    polars = pytest.importorskip("polars", reason="polars is not installed")
    columns.append(polars.from_pandas(frame)["t"])
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    columns.append(arrow.Table.from_pandas(frame).column("t"))
    for column in columns:
        np.testing.assert_array_equal(seconds_of(read_column(column).values), SECONDS)


def test_durations_and_dates():
    assert seconds_of(np.array([90, "NaT"], "timedelta64[m]")).tolist()[0] == 5400
    dates = np.array([datetime.date(1970, 1, 2), None], object)
    assert seconds_of(read_column(dates).values)[0] == 86400
    assert seconds_of(read_column(np.array([datetime.timedelta(0, 1.5)], object)).values)[0] == 1.5


def test_a_model_trained_from_a_file_predicts_a_frame_in_python(tmp_path, capsys):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from fastbp.cli import main

    rng = np.random.default_rng(0)
    moments = pandas.to_datetime("2024-01-01", utc=True) + pandas.to_timedelta(rng.integers(0, 10**7, 200), "s")
    frame = pandas.DataFrame({"when": moments, "x": rng.normal(size=200)})
    frame["y"] = frame["x"] * 2 + (frame["when"].dt.month == 2)
    path, model = tmp_path / "x.parquet", tmp_path / "model"
    frame.to_parquet(path)
    assert main(["train", str(path), "--target", "y", "--epochs", "2", "--quiet", "--out", str(model)]) == 0
    loaded = pytest.importorskip("fastbp.sklearn", exc_type=ImportError).TabularRegressor.load(model)
    expected = loaded.predict(frame)
    for zone in ("Europe/Berlin", "Asia/Tokyo"):
        other = frame.assign(when=frame["when"].dt.tz_convert(zone))
        np.testing.assert_array_equal(loaded.predict(other), expected)
        other.to_parquet(tmp_path / "other.parquet")
        out = tmp_path / f"{zone[:4]}.csv"
        assert main(["predict", str(model), str(tmp_path / "other.parquet"), "--out", str(out)]) == 0
        np.testing.assert_allclose(pandas.read_csv(out)["y"], expected, rtol=1e-6)
