"""What `task=` chooses: one module a task, with `run(cfg)`, that reads as a table of contents of its stages."""
