"""Train RainNet, the harmonisation network, on composites made from image sets."""
