"""Looking into a data set: sizes, classes, numbers, lengths, and examples as text and pictures."""
