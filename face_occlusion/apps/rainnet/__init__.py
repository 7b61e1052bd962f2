"""Train RainNet, the harmonisation network, on composites of the pipeline's own images."""
