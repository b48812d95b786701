"""What a report says of a training and of its data: each thing once, in words for users of the command line."""

import re

import numpy as np
import pytest

from fastbp import cli
from fastbp.commands.outcome import Settings
from fastbp.commands.report import describe_copies, findings_of, highlights
from fastbp.commands.report.highlights import rare_classes
from fastbp.commands.report.problems import describe_problems
from fastbp.commands.report.training_course import course_of, describe_course
from fastbp.commands.task import find_task
from fastbp.commands.train import train

pd = pytest.importorskip("pandas")


def told_of(frame, target="y", kind="auto", epochs=8):
    """The highlights of a training on a table, and what is said of its data."""
    task = find_task(frame, target, kind)
    outcome = train(task, Settings((16,), epochs, progress=False))
    findings = findings_of(task)
    highlighted, problems = highlights(outcome, findings), describe_problems(task, findings)
    check_words(highlighted + problems)
    return highlighted, problems


def check_words(sentences):
    """No name of Python's interface, no option that the command does not have, and nothing twice."""
    text = "\n".join(sentences)
    assert "fb." not in text
    for name in ("sample_weight", "class_weight", "validation_data", "inspect_data", " X ", " X:", "prepare"):
        assert name not in text
    options = {option for line in help_of_train() for option in re.findall(r"--[a-z][a-z-]*", line)}
    assert set(re.findall(r"--[a-z][a-z-]*", text)) <= options
    assert len(set(sentences)) == len(sentences)


def help_of_train():
    parser = cli.make_parser()
    subparsers = next(action for action in parser._actions if action.dest == "command")
    return subparsers.choices["train"].format_help().splitlines()


def make_table(n=600, seed=0):
    """Two columns that tell a class most of the time."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
    return frame.assign(y=np.where(frame["a"] + rng.normal(0, 0.5, n) > 0, "up", "down"))


def one_with(part, sentences):
    """The only sentence that has this part."""
    (found,) = [sentence for sentence in sentences if part in sentence]
    return found


# ---- How the training went ----


@pytest.mark.parametrize(
    ("loss", "val_loss", "course"),
    [
        ([1, 0.6, 0.4, 0.3, 0.2], [1, 0.7, 0.6, 0.5, 0.4], "improving"),
        ([1], [1], "improving"),
        ([1, 0.5, 0.4, 0.3, 0.2], [0.9, 0.6, 0.7, 0.8, 0.9], "overfits"),
        ([1, 0.5, 0.5, 0.5, 0.5], [0.9, 0.6, 0.7, 0.8, 0.9], "level"),  # the training loss does not fall
        ([1, 0.5, 0.5, 0.5, 0.4], [0.9, 0.6, 0.7, 0.8, 0.9], "overfits"),  # it does, at last
        ([1, 0.5, 0.4, 0.3, 0.2], [0.9, 0.6, 0.6, 0.61, 0.62], "level"),  # it rises by too little
        ([1, 0.5, 0.4, 0.4, 0.4], [0.9, 0.6, 0.5, 0.5, 0.4999], "level"),  # it falls by too little
        ([1, 1e-4, 1e-5, 1e-6, 1e-7], [1, 1e-4, 1e-5, 1e-6, 1e-7], "level"),  # of next to nothing
    ],
)
def test_the_course_of_a_training(loss, val_loss, course):
    assert course_of(loss, val_loss, int(np.argmin(val_loss)) + 1) == course


def test_what_to_try_next():
    overfits = describe_course([1, 0.5, 0.4, 0.3], [0.9, 0.6, 0.8, 0.9], 2, [256, 128])
    assert overfits.startswith("It overfits from epoch 3: the training loss falls on, the validation loss rises")
    assert "epoch 2 of 4 is kept" in overfits
    assert "--hidden 64,32, fewer columns or more rows" in overfits
    assert "--hidden" not in describe_course([1, 0.5, 0.4, 0.3], [0.9, 0.6, 0.8, 0.9], 2, [16])
    improving = describe_course([1, 0.8, 0.6], [1, 0.8, 0.6], 3, [16])
    assert improving == "It still improves at the last epoch, epoch 3 of 3 is kept: raise --epochs, for example to 6."
    little = describe_course([1, 0.1, 0.01], [0.1, 0.001, 0.0009], 3, [16])
    assert little.endswith("little is left to gain.")
    assert "--hidden 32" in describe_course([1, 0.9, 0.9], [0.9, 0.8999, 0.8999], 3, [16])
    assert "more rows" in describe_course([1, 0.1, 0.1], [0.9, 0.8999, 0.8999], 3, [16])


# ---- What matters most ----


def test_nothing_is_said_of_what_does_not_matter():
    said, problems = told_of(make_table(), epochs=30)
    assert problems == []
    assert len(said) == 3  # the few held-out rows, a linear model, which is right here, and the epochs
    assert said[0].startswith("With 120 held-out rows the accuracy may be anything from 0.")


def test_a_leak_comes_first():
    frame = make_table()
    frame["state"] = frame["y"].map({"up": "won", "down": "lost"})
    said, problems = told_of(frame)
    assert said[0].startswith("Column 'state' tells the target by itself. If it is")
    assert "known only after 'y' is" in said[0]
    assert said[0].endswith("the scores mislead: --drop state leaves it out.")
    assert problems == []
    numbers = frame.assign(y=frame["a"] * 3 + 1, twice=frame["a"] * 6)
    assert told_of(numbers)[0][0].startswith("2 columns (a, twice) tell the target, each by itself. If they")


def test_scores_that_are_too_good():
    frame = make_table()
    frame["y"] = np.where(frame["a"] > 0, "up", "down")
    frame["a"] += np.where(frame["a"] > 0, 5, -5)  # tells it, but is not alike
    said, _ = told_of(frame, epochs=30)
    assert "a column that is known only after 'y' is" in one_with("almost perfect", said)


def test_copies_of_rows_are_told_of():
    frame = make_table()
    said, problems = told_of(pd.concat([frame, frame[:300]], ignore_index=True))
    twins = one_with("equal to an earlier one", said)
    assert twins.startswith("300 rows are equal to an earlier one in every column; ")
    share = int(re.search(r"; (\d+) % of the held-out rows have a twin in training", twins)[1])
    assert 40 < share < 70  # of 600 copies in 900 rows, eight in ten have the other in training
    assert problems == []


def test_copies_are_counted_before_anything_is_trained():
    frame = make_table()
    copied = pd.concat([frame, frame[:300]], ignore_index=True)
    (copies,) = describe_copies(findings_of(find_task(copied, "y", "auto")))
    assert copies.startswith("300 rows: equal to an earlier one in every column")
    other = frame[:50].assign(y=frame["y"][:50].map({"up": "down", "down": "up"}))
    said = describe_copies(findings_of(find_task(pd.concat([frame, other], ignore_index=True), "y", "auto")))
    assert one_with("another target", said).startswith("50 rows: ")


def test_copies_with_another_target_are_named_by_the_file_s_rows():
    frame = make_table()
    frame = pd.concat(
        [frame, frame[:50].assign(y=frame["y"][:50].map({"up": "down", "down": "up"}))], ignore_index=True
    )
    frame.loc[10, "y"] = None  # row 11 is left out, the others keep their numbers
    said, _ = told_of(frame)
    assert "49 rows are equal to an earlier one and have another target (for example row 601 and row 1)" in " ".join(
        said
    )


def test_equal_rows_are_no_copies_where_columns_have_few_values():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 3, (600, 3)), columns=list("abc"))
    frame["y"] = np.where(frame["a"] + rng.random(600) > 1.5, "yes", "no")
    said, problems = told_of(frame)
    assert "equal" not in " ".join(said + problems)


def test_rare_classes_that_are_not_found_are_told_of():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(2000, 3)), columns=list("abc"))
    frame["y"] = rng.choice(["usual", "odd", "very odd"], 2000, p=[0.95, 0.04, 0.01])
    said, _ = told_of(frame)
    rare = one_with("rare", said)
    assert rare.startswith("2 classes are rare (very odd, odd): the first of them has ")
    assert "where 'usual' has 95 %" in rare
    assert "Look at balanced_accuracy (0.3333), not at accuracy (0." in rare
    assert rare.endswith("never predicted: odd, very odd.")
    one_with("The predictions are no better than the most common class", said)


def test_rare_classes_that_are_found_are_not_told_of():
    frame = make_table(2000)
    frame["y"] = np.where(frame["a"] > 1.6, "far", "near")
    frame["a"] += 5 * (frame["a"] > 1.6)
    assert rare_classes(find_task(frame, "y", "auto").y, 2) == [0]
    assert "rare" not in " ".join(told_of(frame, epochs=20)[0])


def test_which_classes_are_rare():
    y = np.repeat([0, 1, 2, 3], [100, 100, 9, 3])
    assert rare_classes(y, 4) == [3, 2]
    assert rare_classes(np.repeat([0, 1], [90, 10]), 2) == []
    assert rare_classes(np.repeat([0, 1], [91, 9]), 2) == [1]


def test_a_number_that_cannot_be_learnt():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(1500, 4)), columns=list("abcy"))
    one_with("no better than the mean", told_of(frame)[0])


def test_rows_that_make_most_of_the_error():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(1500, 2)), columns=list("ab"))
    frame["y"] = frame["a"] + 0.1 * frame["b"]
    frame.loc[::100, "y"] = 1000.0
    said, problems = told_of(frame, epochs=20)
    rows = re.search(r"of the squared error, look at them: rows ([\d, ]+)\.", one_with("Ten rows", said))[1]
    assert any(int(row) % 100 == 1 for row in rows.split(", "))
    assert one_with("are far from all others", problems).startswith(
        "Some values of 'y' are far from all others: 1000 in row "
    )


def test_few_rows_of_numbers():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=list("ay"))
    one_with("With 12 held-out rows the scores are rough.", told_of(frame)[0])


# ---- What is odd about the data ----


def test_thirteen_columns_with_gaps_are_one_sentence():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(1000, 13)), columns=[f"x{i}" for i in range(13)])
    frame["y"] = np.where(frame["x0"] > 0, "up", "down")
    for i in range(13):
        frame.loc[: 20 * i + 4, f"x{i}"] = np.nan
    frame["words"] = rng.choice(["a", "b", None], 1000, p=[0.5, 0.25, 0.25])
    _, problems = told_of(frame)
    assert problems[0] == (
        "13 columns (x0, x1, x2, ...) have gaps in 0.5 % to 24 % of the rows; they are filled with the median, and the "
        "network is told where."
    )
    assert re.fullmatch(
        r"Column 'words' has gaps in 2\d % of the rows; they are a category of their own\.", problems[1]
    )
    assert len(problems) == 2


def test_columns_that_are_equal_or_the_same_throughout_or_numbers_of_rows():
    frame = make_table()
    frame["a again"], frame["b again"] = frame["a"], frame["b"]
    frame["now and then"] = np.where(np.arange(600) % 3, np.nan, 7)
    _, problems = told_of(frame)
    assert one_with("equal to", problems).startswith(
        "2 columns (a again, b again) are equal to earlier columns and share their importance: "
        "--drop 'a again,b again' leaves them out."
    )
    assert one_with("the same wherever", problems).startswith(
        "Column 'now and then' is the same wherever there is a value"
    )
    assert len(problems) == 3  # and its gaps


def test_odd_names_are_one_line():
    frame = make_table().rename(columns={"a": "a\nb\x00"})
    frame.loc[:9, "a\nb\x00"] = np.nan
    _, problems = told_of(frame)
    assert problems[0].startswith("Column 'a b\ufffd' has gaps")


def test_probabilities_that_are_too_large_are_told_of():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3000, 30))).rename(columns=str)
    frame["y"] = np.where(frame["0"] + rng.normal(0, 1, 3000) > 0, "up", "down")
    task = find_task(frame, "y", "auto")
    outcome = train(task, Settings((64,), 3, progress=False))
    assert "at its word" not in " ".join(highlights(outcome, []))
    certain = np.eye(2)[outcome.outputs.argmax(axis=1)]
    said = one_with("at its word", highlights(outcome._replace(outputs=certain), []))
    right = (outcome.outputs.argmax(axis=1) == task.y[outcome.test_rows]).mean()
    assert said.startswith(f"The probability of the predicted class is 100 % on average, but {100 * right:.0f} % of")
