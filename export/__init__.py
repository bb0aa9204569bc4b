"""Turn a training run into a bundle: two ONNX graphs, proven to compute what TensorFlow computes, and sealed."""
