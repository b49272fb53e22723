"""Holds YAML files in folders that are named after ftlab's groups."""
