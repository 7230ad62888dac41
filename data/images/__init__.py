"""Images: readers of the data sets, and the files in which predictions about them are stored."""
