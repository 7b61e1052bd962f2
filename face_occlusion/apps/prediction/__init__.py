"""Apply a trained run to photographs, and export it as ONNX."""
