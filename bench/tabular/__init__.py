"""`python -m bench.tabular`: TabularClassifier and TabularRegressor beside other libraries, on public tables.

- `tasks`: the tables, their splits, the error of predictions
- `peers`: the libraries, each as one call that fits
- `results`: what is stored of each peer, and the report that brings the peers together
- `ladder`: `python -m bench.tabular.ladder`, what each part of fastbp's recipe is worth
"""
