"""How well scores tell strange images from ordinary ones, how many false alarms they raise, and what they cost."""
