"""What every stage shares: images and image sets, parameters, files, processes."""
