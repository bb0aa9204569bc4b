"""Where a model may come from: each source gives functions for `convert`, or ONNX models."""
