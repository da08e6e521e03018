"""Coverage-guided fuzzing of every decoder: bytes in, a value or our own error out, never anything else."""
