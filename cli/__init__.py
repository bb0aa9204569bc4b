"""The command line: one module a verb family, each of which imports what it needs when its verb runs."""
