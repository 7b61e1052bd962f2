"""Draw pictures of image sets to look at: contact sheets and comparisons."""
