"""Injected faults: what is damaged, killed or hostile is refused, or leaves the same bytes."""
