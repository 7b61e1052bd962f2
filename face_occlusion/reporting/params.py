"""Section `report` of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from face_occlusion.reporting.breakdowns import BreakdownParams
from face_occlusion.reporting.grid import BootstrapParams
from face_occlusion.reporting.pictures import parse_colour

COLOUR_MAPS = ("cividis", "viridis", "gray")  # even in lightness: they survive a grey print


@dataclass(frozen=True, kw_only=True)
class FigureParams:
    """How figures look."""

    dpi: int
    sheet_images: int
    mask_colour: str
    colour_map: str

    def __post_init__(self) -> None:
        if not 50 <= self.dpi <= 600:
            raise ValueError(f"dpi must lie in [50, 600]; got {self.dpi}")
        if not 1 <= self.sheet_images <= 200:
            raise ValueError(f"sheet_images must lie in [1, 200]; got {self.sheet_images}")
        if self.colour_map not in COLOUR_MAPS:
            raise ValueError(f"colour_map must be one of {COLOUR_MAPS}; got {self.colour_map!r}")
        try:
            parse_colour(self.mask_colour)
        except ValueError as error:
            raise ValueError(f"mask_colour: {error}") from error


@dataclass(frozen=True, kw_only=True)
class QualitativeParams:
    """Which predictions are shown: picked by the difference of two combinations."""

    benchmark: str
    first: str
    second: str
    images_per_rule: int
    combinations: Sequence[str]

    def __post_init__(self) -> None:
        if not 1 <= self.images_per_rule <= 10:
            raise ValueError(f"images_per_rule must lie in [1, 10]; got {self.images_per_rule}")


@dataclass(frozen=True, kw_only=True)
class PageParams:
    """What the page carries."""

    thumbnail_px: int
    browser_images: int

    def __post_init__(self) -> None:
        if not 32 <= self.thumbnail_px <= 1024:
            raise ValueError(f"thumbnail_px must lie in [32, 1024]; got {self.thumbnail_px}")
        if self.browser_images < 0:
            raise ValueError(f"browser_images must not be negative; got {self.browser_images}")


@dataclass(frozen=True, kw_only=True)
class ReportParams:
    """Section `report` of params.yaml."""

    benchmarks: Mapping[str, str]  # titles, in the order of the columns
    table_4: Sequence[str]
    table_5: Sequence[str]
    bootstrap: BootstrapParams
    breakdown: BreakdownParams
    figures: FigureParams
    qualitative: QualitativeParams
    page: PageParams

    def __post_init__(self) -> None:
        for key, names in (("table_4", self.table_4), ("table_5", self.table_5)):
            if unknown := set(names) - set(self.benchmarks):
                raise ValueError(f"{key}: not among benchmarks: {sorted(unknown)}")
        if self.qualitative.benchmark not in self.benchmarks:
            raise ValueError(
                f"qualitative.benchmark must be among benchmarks; got {self.qualitative.benchmark}"
            )
