"""What verbs measure and find, and how they show it: tables of figures, timings, the findings of `doctor`."""
