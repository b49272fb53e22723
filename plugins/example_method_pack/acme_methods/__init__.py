"""Methods of Acme's own for ftlab. Empty, so that `--help`, which reads `conf`, imports nothing heavy."""
