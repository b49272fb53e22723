"""Builds the embedded demo data (`ftlab/data/demo`) from the tables of facts and wordings beside this file."""
