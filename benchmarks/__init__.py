"""What is measured, beside the peers, in one run. Prints figures; judges nothing by itself."""
