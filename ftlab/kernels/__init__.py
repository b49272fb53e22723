"""What makes a step fast: attention over packed rows."""
