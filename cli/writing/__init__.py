"""What verbs write: pictures, arrays, tables."""
