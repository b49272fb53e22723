"""The curve doctor: what a loss curve shows, by which numbers, why, and what to change. Pure functions on numbers."""
