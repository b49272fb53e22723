"""What a run leaves for people to read: its card (`run.json`) and the summary in the terminal."""
