"""Apply a trained run to photographs of one's own, and write it as ONNX."""
