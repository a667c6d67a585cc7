"""What every page stands in: the open view, its selection and address, who waits for what."""
