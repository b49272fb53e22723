"""An application that is started by `python -m package`."""
