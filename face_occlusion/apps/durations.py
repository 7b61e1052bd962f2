"""How durations are written for people; without the imports of the pipeline."""


def format_seconds(seconds: float) -> str:
    """Write a duration in its two largest units: `42 s`, `3 min 20 s`, `5 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
