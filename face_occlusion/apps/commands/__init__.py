"""The commands of `face-occlusion`, one module for each panel of its help.

What a command needs is imported inside it, so that `--help` does not wait for PyTorch.
"""
