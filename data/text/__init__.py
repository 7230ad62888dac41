"""Documents: readers of the data sets, and the way from a text to arrays of word ids."""
