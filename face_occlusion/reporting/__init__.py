"""Tables, figures, claims and the page, from score files and image sets."""
