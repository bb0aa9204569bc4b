"""The likelihoods p(x|z) that can be learned: what the decoder ends in, and the TFP distribution that it parameterises.

`outputs` needs Keras alone; `levels` and `families` need TFP.
"""
