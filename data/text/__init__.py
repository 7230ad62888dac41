"""Documents: readers of the data sets, and the conversion of texts to arrays of word ids."""
