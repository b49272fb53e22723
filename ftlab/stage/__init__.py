"""The stages that tasks are made of, in order: surroundings, prepare, load, score, fit, record.

Here the configuration is taken apart: every room below takes plain arguments.
"""
