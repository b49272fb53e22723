"""Adds the user's own `conf` folder and installed packs of choices to ftlab's search path; see the README beside it."""
