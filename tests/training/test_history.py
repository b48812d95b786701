"""The history as a table and as a picture."""

import builtins
import math

import pytest

import fastbp as fb
from fastbp.support.plot_style import TRAINING, VALIDATION
from fastbp.training.history import History


@pytest.fixture
def history():
    history = History()
    history.append({"loss": 2.0, "f1": 0.5, "seconds": 0.1})
    history.append({"loss": 1.0, "f1": 0.6, "seconds": 0.1, "val_loss": 1.5, "val_f1": 0.4})
    history.append({"loss": 0.5, "f1": 0.7, "seconds": 0.1, "val_loss": 1.25, "val_f1": 0.5})
    return history


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def test_to_frame(history):
    pandas = pytest.importorskip("pandas")
    frame = history.to_frame()
    expected = pandas.DataFrame(dict(history), index=pandas.RangeIndex(1, 4, name="epoch"))
    pandas.testing.assert_frame_equal(frame, expected)
    assert math.isnan(frame.loc[1, "val_loss"]) and frame.loc[3, "val_loss"] == 1.25
    assert History().to_frame().empty


def test_plot_has_a_panel_for_each_figure(history, pyplot):
    axes = history.plot()
    assert [axis.get_ylabel() for axis in axes] == ["loss", "f1"]
    for axis in axes:
        training, validation, mark = axis.lines
        name = axis.get_ylabel()
        assert (training.get_label(), validation.get_label()) == (name, f"val_{name}")
        assert list(training.get_xdata()) == [1, 2, 3]
        assert list(training.get_ydata()) == history[name]
        assert (training.get_color(), validation.get_color()) == (TRAINING, VALIDATION)
        assert list(mark.get_xdata()) == [3, 3] and mark.get_label() == "epoch 3, lowest val_loss"
        assert not axis.spines["top"].get_visible() and not axis.spines["right"].get_visible()
    axes[0].figure.canvas.draw()


def marks(axes):
    return [line.get_label() for axis in axes for line in axis.lines if line.get_linestyle() == ":"]


def test_the_lowest_validation_loss_is_marked_where_there_is_one(history, pyplot):
    history.append({"loss": 0.25, "val_loss": 1.75})
    history.append({"loss": 0.2, "val_loss": math.nan})
    assert marks(history.plot("loss")) == ["epoch 3, lowest val_loss"]
    plain = History()
    for loss in (2.0, 1.0):
        plain.append({"loss": loss})
    assert marks(plain.plot()) == []


def test_the_epoch_that_early_stopping_kept_is_marked(pyplot, tmp_path):
    """Kept by another figure than the lowest val_loss; marked until training goes on; saved with the trainer."""
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=1), "mse", fb.SGD(1e-3))
    data = dict(X=[[1.0], [2.0]], y=[1.0, 2.0], validation_data=([[1.0], [2.0]], [1.0, 2.0]))
    early = fb.EarlyStopping("loss", patience=2, mode="max")  # the first epoch has the largest
    history = trainer.fit(**data, epochs=9, callbacks=early)
    assert (history.kept_epoch, history.n_epochs) == (1, 3)
    assert marks(history.plot("loss")) == ["epoch 1, kept"]
    trainer.save(tmp_path / "trainer.ckpt")
    assert fb.Trainer.load(tmp_path / "trainer.ckpt").history.kept_epoch == 1
    assert trainer.fit(**data).kept_epoch is None
    assert marks(history.plot("loss")) == ["epoch 3, lowest val_loss"]  # epoch 4 went on from epoch 1


def test_nothing_is_kept_without_restoring(pyplot):
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=1), "mse")
    early = fb.EarlyStopping("loss", patience=2, mode="max", restore_best=False)
    assert trainer.fit([[1.0], [2.0]], [1.0, 2.0], epochs=9, callbacks=early).kept_epoch is None


def test_plot_of_some_figures_into_given_axes(history, pyplot):
    _, ax = pyplot.subplots()
    assert history.plot(["loss", "val_f1", "seconds"], ax=ax) is ax
    *curves, mark = ax.lines
    assert [line.get_label() for line in curves] == ["loss", "val_loss", "val_f1", "seconds"]
    assert [line.get_linestyle() for line in curves] == ["-", "--", "--", "-"]
    assert len({line.get_color() for line in curves}) == 3
    assert mark.get_label() == "epoch 3, lowest val_loss"
    _, axes = pyplot.subplots(1, 2)
    assert history.plot(["f1", "loss"], ax=axes) is axes
    assert [axis.get_ylabel() for axis in axes] == ["f1", "loss"]
    [axis] = history.plot("val_loss")
    assert [line.get_color() for line in axis.lines[:-1]] == [VALIDATION]
    [axis] = history.plot(["val_loss", "loss"])  # of one kind: one panel
    assert [line.get_color() for line in axis.lines[:-1]] == [TRAINING, VALIDATION]
    _, ax = pyplot.subplots()
    history.plot("loss", ax=ax)  # alone in it: the two colours
    assert [line.get_color() for line in ax.lines[:-1]] == [TRAINING, VALIDATION]


def test_plot_of_one_epoch_and_of_validation_alone(pyplot):
    history = History()
    history.append({"val_loss": 1.0, "loss": 2.0, "val_extra": 3.0})
    axes = history.plot()
    assert [axis.get_ylabel() for axis in axes] == ["loss", "val_extra"]
    assert axes[0].lines[0].get_marker() == "o"
    history.append({"loss": 1.0})
    assert [line.get_marker() for line in history.plot("loss")[0].lines] == ["", "o"]


def test_plot_refuses_what_it_cannot_draw(history, pyplot):
    with pytest.raises(ValueError, match=r"names is 'auc'; expected one of 'loss', 'f1'"):
        history.plot("auc")
    with pytest.raises(ValueError, match=r"names is \['f1'\]; expected one of 'loss', 'f1'"):
        history.plot([["f1"]])
    for names in ([], 3, {"loss"}):
        with pytest.raises(TypeError, match=r"names is .*; expected names of figures"):
            history.plot(names)
    _, axes = pyplot.subplots(1, 3)
    for ax in (axes, 3, "figure"):
        with pytest.raises(ValueError, match=r"ax is .*; expected one matplotlib Axes, or 2 of them"):
            history.plot(ax=ax)
    with pytest.raises(ValueError, match="the history has no epoch yet"):
        History().plot()


def test_a_missing_package_is_named(history, monkeypatch):
    original = builtins.__import__

    def without(name, *arguments):
        if name.split(".")[0] in ("pandas", "matplotlib"):
            raise ImportError(name)
        return original(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"to_frame\(\) needs pandas, .* pip install 'pandas'"):
        history.to_frame()
    with pytest.raises(ImportError, match=r"plot\(\) needs matplotlib, .* pip install 'fastbp\[plot\]'"):
        history.plot()


def test_the_history_of_a_training_can_be_shown(pyplot):
    pytest.importorskip("pandas")
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=1), "mse")
    history = trainer.fit([[1.0], [2.0]], [1.0, 2.0], epochs=2, validation_data=([[1.0], [2.0]], [1.0, 2.0]))
    assert list(history.to_frame().index) == [1, 2]
    assert len(history.plot()) == 2
