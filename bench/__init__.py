"""Speed and quality, as ratios measured in one run: `python -m bench.NAME`."""
