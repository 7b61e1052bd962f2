"""What a person runs outside the pipeline: the commands and the pages they write."""
