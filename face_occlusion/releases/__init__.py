"""Raw releases: where they are published, how they are checked, unpacked and read."""
