"""Downloads and verifies the data sets of the paper: `python -m data.download`."""
