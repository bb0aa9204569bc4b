"""What verbs read: images, tables, labels and other conditions."""
