"""What a user runs: set-up, one shell script per table and figure, evaluation and the report."""
