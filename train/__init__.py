"""Learn a variational autoencoder: Keras 3 networks, TensorFlow Probability's distributions.

`config` and `data` need NumPy alone; `networks`, `model`, `objective` and `fit` import TensorFlow.
"""
