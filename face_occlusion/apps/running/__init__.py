"""Run the pipeline on several GPUs or machines, and estimate what it will cost."""
