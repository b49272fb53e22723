"""Records the loss curves of healthy and of spoiled runs, and judges the curve doctor by them.

    python -m scripts.benchmarks.curves record --workers 14 --device cuda
    python -m scripts.benchmarks.curves judge

`plan` says what is run and what was done to each run, `train` runs one, `judge` says what counts as named rightly.
"""
