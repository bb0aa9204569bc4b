"""A job on a real two-node Ray cluster: what dies, what it costs beside one process, and what it holds in memory."""
