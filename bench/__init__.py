"""Side-by-side comparisons of fastbp with the other ways to train a dense network. See README.md."""
