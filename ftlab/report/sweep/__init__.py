"""Many runs as one comparison: what a sweep found out, with its uncertainty, and what became of every job."""
