"""What watches a run: one class, one concern, one file; each can be left out without changing the numbers."""
