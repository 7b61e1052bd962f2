"""Objects enlarged four times, by Real-ESRGAN or by a filter."""
