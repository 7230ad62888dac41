"""Downloads, verifies and installs the data sets of the paper: `python -m data.download`."""
