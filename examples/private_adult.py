"""Who earns more than 50,000? The census table "adult" at epsilon 3, beside the same network without privacy.

    python examples/private_adult.py --data adult.csv --seeds 5

The file is UCI's adult.data, or a CSV with its columns' names above; a fifth of its rows is for the scores. fastbp does
not download it. Without --data the same code runs on made-up people: it shows the way, and its scores mean nothing.
"""

import argparse
import re

import numpy as np
import pandas as pd

import fastbp as fb
from fastbp.sklearn import TabularClassifier

NAMES = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
]
# Ranges are round numbers, categories those of the table's description: nothing here was found in the rows. That most
# people have neither gains nor losses of capital is no secret: hence the 1.
SCHEMA = fb.privacy.Schema(
    {
        "age": list(range(15, 95, 5)),
        "workclass": [
            "Private",
            "Self-emp-not-inc",
            "Self-emp-inc",
            "Federal-gov",
            "Local-gov",
            "State-gov",
            "Without-pay",
            "Never-worked",
        ],
        "education-num": list(range(1, 17)),
        "marital-status": [
            "Married-civ-spouse",
            "Divorced",
            "Never-married",
            "Separated",
            "Widowed",
            "Married-spouse-absent",
            "Married-AF-spouse",
        ],
        "occupation": [
            "Tech-support",
            "Craft-repair",
            "Other-service",
            "Sales",
            "Exec-managerial",
            "Prof-specialty",
            "Handlers-cleaners",
            "Machine-op-inspct",
            "Adm-clerical",
            "Farming-fishing",
            "Transport-moving",
            "Priv-house-serv",
            "Protective-serv",
            "Armed-Forces",
        ],
        "relationship": ["Wife", "Own-child", "Husband", "Not-in-family", "Other-relative", "Unmarried"],
        "race": ["White", "Asian-Pac-Islander", "Amer-Indian-Eskimo", "Other", "Black"],
        "sex": ["Female", "Male"],
        "capital-gain": [0, 1, 1000, 2000, 3000, 4000, 5000, 7000, 10_000, 20_000, 50_000, 100_000],
        "capital-loss": [0, 1, 500, 1000, 1250, 1500, 1750, 2000, 2250, 2500, 3000, 4000],
        "hours-per-week": list(range(0, 101, 10)),
        "income": ["<=50K", ">50K"],
    }
)


def read(path):
    """Return the table, whichever of its writings it is."""
    first = pd.read_csv(path, header=None, nrows=1, dtype=str, skipinitialspace=True).iloc[0].tolist()
    table = pd.read_csv(path, skipinitialspace=True, **({} if "age" in first else {"header": None, "names": NAMES}))
    table = table.rename(columns={"gender": "sex"})
    for name in table.select_dtypes(["object", "string"]):
        table[name] = table[name].str.strip()
    table["income"] = table["income"].map(lambda text: re.sub(r"\.$", "", text))
    return table


def make_people(n):
    """Return made-up people: those who studied long, and work and live long, earn more."""
    rng = np.random.default_rng(0)
    columns = {
        name: rng.choice(column.values, n)
        if column.kind == "category"
        else rng.uniform(*column.values[:: len(column.values) - 1], n)
        for name, column in SCHEMA.columns.items()
    }
    score = columns["education-num"] / 16 + columns["hours-per-week"] / 100 + columns["age"] / 90
    return pd.DataFrame({**columns, "income": np.where(score > 1.8, ">50K", "<=50K")})


def main():
    parser = argparse.ArgumentParser(description="Train a private network on the census table adult.")
    parser.add_argument("--data", metavar="FILE", help="adult.data of UCI, or a CSV with its columns")
    parser.add_argument("--epsilon", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, default=1, help="private models that are trained, each with its own noise")
    options = parser.parse_args()
    if options.data is None:
        print("No --data FILE: running on made-up people instead of adult.")
    table = make_people(6000) if options.data is None else read(options.data)
    columns = [name for name in SCHEMA.columns if name != "income"]
    order = np.random.default_rng(0).permutation(len(table))
    test, train = table.iloc[order[: len(table) // 5]], table.iloc[order[len(table) // 5 :]]
    privacy = fb.DifferentialPrivacy(
        target_epsilon=options.epsilon, target_delta=1e-5, expected_batch_size=len(train) // 25
    )

    private = []
    for seed in range(options.seeds):
        model = TabularClassifier(privacy=privacy, public=SCHEMA.public("income"), random_state=seed)
        model.fit(train[columns], train["income"])
        private.append(model.score(test[columns], test["income"]))
        print(f"seed {seed}: test accuracy {private[-1]:.4f}")
    plain = TabularClassifier(preset="fast", random_state=0).fit(train[columns], train["income"])
    print(f"mean test accuracy at epsilon {options.epsilon:g}: {np.mean(private):.4f}")
    print(f"without privacy, preset fast: {plain.score(test[columns], test['income']):.4f}")
    print(model.privacy_.statement)


if __name__ == "__main__":
    main()
