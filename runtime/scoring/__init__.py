"""How unlike its training data a model finds an event: statistics, their combination, and a map of surprise."""
