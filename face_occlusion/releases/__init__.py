"""Raw releases: where they are published, how they are checked, unpacked and read."""

from face_occlusion.core.release import Release

__all__ = ["Release"]
