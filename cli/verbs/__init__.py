"""The verbs, one module a family; each imports what it needs when its verb runs."""
