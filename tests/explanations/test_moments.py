"""Dates and times, which a model has as seconds since 1970, are shown as what they are."""

import datetime
import re
import warnings

import numpy as np
import pytest

import fastbp as fb

pd = pytest.importorskip("pandas")

N = 40
SECONDS = np.random.default_rng(7).integers(0, 300, N) * 86400.0 + 1_704_067_200
FRAME = pd.DataFrame({"when": pd.to_datetime(SECONDS, unit="s"), "size": np.random.default_rng(8).normal(size=N)})
FRAME.loc[3, "when"] = None
WRITTEN = FRAME.assign(when=FRAME.when.dt.strftime("%d.%m.%Y"))
Y = (SECONDS - SECONDS.mean()) / SECONDS.std() + FRAME["size"].to_numpy()
FIRST, LAST = FRAME.when[0].to_pydatetime(), FRAME.when.max().to_pydatetime()


def fitted(frame, seed=0):
    model = fb.Model(
        [fb.Dense(5, "tanh"), fb.Dense(1)], prepare=fb.Columns((fb.Impute(), fb.Standardize()), fb.OneHot()), seed=seed
    )
    fb.Trainer(model, loss="mse").fit(frame, Y, epochs=1, progress=False)
    return model


MODELS = {
    "dates": lambda: (fitted(FRAME), FRAME),
    "text": lambda: (fitted(WRITTEN), WRITTEN),
    "ensemble": lambda: (fb.Ensemble([fitted(FRAME), fitted(FRAME, 1)]), FRAME),
}


@pytest.mark.parametrize("kind", list(MODELS))
def test_rows_hold_dates(kind):
    model, frame = MODELS[kind]()
    found = fb.explain(model, frame[:5], background=frame[10:20])
    assert found.data[0].tolist() == [FIRST, frame["size"][0]]
    assert found.data[3, 0] is None
    day = f"{FIRST:%Y-%m-%d}"
    assert re.search(rf"when .* {day}$", repr(found[0]), re.MULTILINE) and f">{day}<" in found[0]._repr_html_()
    assert re.search(r"when .* missing$", repr(found[3]), re.MULTILINE)
    arguments = found.shap_arguments()
    np.testing.assert_array_equal(arguments["data"][:3, 0], SECONDS[:3])
    assert arguments["display_data"][0, 0] == FIRST


def test_estimators_of_tables_and_of_networks_hold_dates():
    pytest.importorskip("sklearn")
    from fastbp.sklearn import TabularRegressor

    estimator = TabularRegressor(preset="fast", epochs=1, n_bags=2, random_state=0).fit(FRAME, Y)
    found = fb.explain(estimator, FRAME[:5], background=FRAME[10:12])
    assert found.data[0, 0] == FIRST and found.data[3, 0] is None


@pytest.mark.parametrize("kind", list(MODELS))
def test_the_dependence_on_a_date(kind):
    model, frame = MODELS[kind]()
    for effect in (fb.partial_dependence(model, frame, "when"), fb.accumulated_effects(model, frame, "when")):
        assert effect.grid.tolist()[-1] == LAST == effect.seen.max().item()
        assert list(effect.to_frame().index)[-1] == LAST
        assert f"{LAST:%Y-%m-%d}" in repr(effect).splitlines()[-1]
        assert f">{LAST:%Y-%m-%d}<" in effect._repr_html_()


DATES = [[LAST], [pd.Timestamp(LAST)], [f"{LAST:%Y-%m-%d}"], [LAST.date()], np.array([LAST], "M8[s]"), [SECONDS.max()]]
DATES.append([pd.Timestamp(LAST, tz="UTC").tz_convert("Asia/Tokyo")])


@pytest.mark.parametrize("grid", DATES)
def test_dates_of_a_grid(grid):
    effect = fb.partial_dependence(fitted(FRAME), FRAME, "when", grid=grid)
    assert effect.grid.tolist() == [LAST]


def test_what_is_no_date_is_refused_in_a_grid():
    with pytest.raises(TypeError, match="grid is 'soon'; expected dates"):
        fb.partial_dependence(fitted(FRAME), FRAME, "when", grid=["soon"])


@pytest.mark.parametrize("effects", [fb.partial_dependence, fb.accumulated_effects])
def test_a_grid_of_quantiles_has_dates_that_there_are(effects):
    given = {"n_bins": 6} if effects is fb.accumulated_effects else {"grid": 7}
    effect = effects(fitted(FRAME), FRAME, "when", **given)
    assert len(effect.grid) == 7
    assert set(effect.grid.tolist()) <= set(FRAME.when.dropna())


def test_whole_days_stay_whole_days():
    model = fitted(FRAME)
    for goal in np.linspace(model.predict(FRAME).min() + 0.01, model.predict(FRAME).max() - 0.01, 9):
        found = fb.counterfactual(model, FRAME[:3], (float(goal), None), FRAME, columns=["when", "size"])
        assert all(each.time() == datetime.time() for each in found.changed[:, 0].tolist())


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Europe/Berlin", "Europe/London", "America/St_Johns", "UTC"])
def test_whole_days_of_any_time_zone_stay_whole_days(zone):
    """Also where clocks change: then days begin at two times of a day of UTC."""
    frame = FRAME.assign(when=pd.to_datetime(FRAME.when).dt.tz_localize(zone))
    model = fitted(frame)
    for goal in np.linspace(model.predict(frame).min() + 0.01, model.predict(frame).max() - 0.01, 9):
        found = fb.counterfactual(model, frame[:3], (float(goal), None), frame, columns=["when", "size"])
        moments = pd.to_datetime(found.changed[:, 0].tolist(), utc=True).tz_convert(zone)
        assert all(each.time() == datetime.time() for each in moments)


@pytest.mark.parametrize("n_days", [10, 30, 200])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_days_far_from_any_that_is_known_are_days_where_clocks_change(zone, n_days):
    """Between two far days nobody knows what the clocks say: then the nearer one is taken."""
    from fastbp.explanations.counterfactual import _steps_of

    rng = np.random.default_rng(n_days)
    days = pd.date_range("2021-01-01", "2023-12-31", tz=zone)[np.sort(rng.choice(1000, n_days, replace=False))]
    column = (days - pd.Timestamp(0, tz="UTC")).total_seconds().to_numpy()
    moments = rng.uniform(column[0] - 1e7, column[-1] + 1e7, 1000)
    rounded = _steps_of(column, is_moments=True).rounded(moments)
    assert (pd.to_datetime(rounded, unit="s", utc=True).tz_convert(zone).hour == 0).all()
    close = np.diff(column) == 3 * 86400.0
    between = _steps_of(column, is_moments=True).rounded(column[:-1][close] + 86400.0)
    np.testing.assert_array_equal(between, column[:-1][close] + 86400.0)
    assert n_days < 200 or close.any()


def test_times_of_a_day_are_no_days():
    """Two times an hour apart in a month are times of an event, and not the beginnings of days."""
    from fastbp.explanations.counterfactual import _steps_of

    day = 86400.0
    assert _steps_of(np.array([10, 11]) * 3600 + np.array([0, day * 20]), is_moments=True).unit == 1
    assert _steps_of(np.arange(9) * day + 0.5, is_moments=True) is None
    assert _steps_of(np.arange(9) * day + 0.5, is_moments=False) is None
    assert _steps_of(np.arange(9) * 7.0, is_moments=False).unit == 1


def test_changes_of_dates():
    model = fitted(FRAME)
    answer = float(model.predict(FRAME).max())
    found = fb.counterfactual(model, FRAME[:3], (answer - 0.01, None), FRAME, columns=["when", "size"])
    before, after = next(found.changes(i) for i in range(3) if "when" in found.changes(i))["when"]
    assert isinstance(before, datetime.datetime) and isinstance(after, datetime.datetime)
    assert f"when: {before:%Y-%m-%d} -> {after:%Y-%m-%d}" in repr(found) and "e+09" not in repr(found)
    assert f"{after:%Y-%m-%d}" in found._repr_html_() and "e+09" not in found._repr_html_()
    assert (found.to_frame().query("column == 'when'").after == after).any()


def test_pictures_have_dates():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    model = fitted(FRAME)
    found = fb.explain(model, FRAME, background=FRAME[10:20])
    try:
        labels = [label.get_text() for label in found[0].plot("bars").get_yticklabels()]
        assert f"when = {FIRST:%Y-%m-%d}" in labels
        found.plot("beeswarm").figure.canvas.draw()
        for ax in (
            found.plot(column="when"),
            fb.partial_dependence(model, FRAME, "when").plot(),
            fb.accumulated_effects(model, FRAME, "when").plot(),
        ):
            ax.figure.canvas.draw()
            labels = [label.get_text() for label in ax.get_xticklabels()]
            assert 2 <= len(labels) <= 7 and all(re.fullmatch(r"202[345]-\d\d-\d\d", label) for label in labels)
    finally:
        pyplot.close("all")


def test_times_of_the_day_have_their_seconds():
    """They are no moments: a duration may be longer than a day."""
    frame = WRITTEN.assign(when=[f"{i % 24:02}:30" for i in range(N)])
    found = fb.explain(fitted(frame), frame[:2], background=frame[10:20])
    assert found.data[0, 0] == 1800.0


@pytest.mark.parametrize("days", [0.02, 0.5, 1.9, 5, 40, 61, 200, 480, 715, 900, 1500, 9000])
def test_the_dates_below_an_axis_are_few(days):
    """And of any range: those that have no interval would be told of by a warning, which is an error here."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    when = pd.to_datetime(1_704_100_000 + np.linspace(0, days * 86400, N), unit="s")
    frame = FRAME.assign(when=when)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = fb.partial_dependence(fitted(frame), frame, "when").plot()
        ax.figure.canvas.draw()
    low, high = ax.get_xlim()
    assert 1 <= sum(low <= place <= high for place in ax.get_xticks()) <= 6
    pyplot.close("all")


def test_worst_rows_of_a_report_have_dates():
    from fastbp.commands.report.row_section import _is_number, show_value

    assert _is_number(FRAME["when"]) and not _is_number(WRITTEN["when"])
    assert show_value(pd.Timestamp(FIRST)) == f"{FIRST:%Y-%m-%d}" and show_value(pd.NaT) == ""
    assert show_value(pd.Timestamp("2024-05-01 10:00", tz="UTC")) == "2024-05-01 10:00:00+00:00"


def test_bars_on_axes_with_a_scale_of_their_own():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    _, ax = pyplot.subplots()
    ax.set_xscale("symlog")
    found = fb.explain(fitted(FRAME), FRAME[:3], background=FRAME[10:20])
    assert found.plot("bars", ax=ax).get_xscale() == "symlog"
    pyplot.close("all")
