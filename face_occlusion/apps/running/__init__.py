"""Running the pipeline: what DVC itself does not look after."""
