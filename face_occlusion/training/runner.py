"""mmengine's Runner without what a run does not need."""

from __future__ import annotations

from typing import Any

from mmengine.runner import Runner


class _NoVisualizer:
    """Stands in for mmengine's visualizer, whose matplotlib takes a second to import."""

    dataset_meta: dict[str, Any]

    def close(self) -> None:
        """Close nothing."""


class QuietRunner(Runner):
    """mmengine's Runner without its log of the environment and its copy of the config.

    The former starts compilers to ask for their versions and takes over a second; the run's card
    and config replace both.
    """

    def build_visualizer(self, visualizer: Any = None) -> Any:
        """Return one that draws nothing: DVCLive is the log."""
        return _NoVisualizer()

    def _log_env(self, env_cfg: dict) -> None:
        """Log nothing."""

    def dump_config(self) -> None:
        """Write nothing."""
