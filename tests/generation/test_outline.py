"""How many modules a reader of `occlude` opens, and how often one is opened again.

A stay is a run of functions of one module among all functions, each where it is first called.
Not counted: arithmetic that rounds alike on every CPU, and the check of parameters.
"""

import itertools
import sys
from collections import Counter

import numpy as np
import pytest

import face_occlusion
from face_occlusion.generation import occlude
from face_occlusion.generation.params import default_params
from tests.generation.drawn import DISC, HAND, SMALL_FACE, TEXTURE, WRIST, draw_face

PACKAGE = face_occlusion.__file__.removesuffix("__init__.py")
ELEMENTARY = {"core/arithmetic.py", "core/images/resampling.py", "core/params.py"}
MOST_MODULES = 9
MOST_STAYS = 3


def outline(call):
    """Return a call's result and its (module, function) pairs, in the order of their first call."""
    functions = {}

    def note(frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE) and "<" not in code.co_name:
            module = code.co_filename.removeprefix(PACKAGE)
            if module not in ELEMENTARY:
                functions.setdefault((module, code.co_qualname))

    sys.setprofile(note)
    try:
        return call(), list(functions)
    finally:
        sys.setprofile(None)


CASES = {  # the occluder, the face, the kind of the settings, a module that is visited
    "hand": (HAND, draw_face(), "hands", "generation/colour_transfer/transport.py"),
    "object": (DISC, draw_face(), "objects", "generation/harmonisation/statistics.py"),
    "shape": (TEXTURE, draw_face(), "textures", "generation/shapes.py"),
    "forearm": (WRIST, SMALL_FACE, "hands", "generation/forearm.py"),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_face_s_way_is_read_in_nine_modules_each_entered_again_at_most_twice(case):
    """Colours are fitted, faces turned or not."""
    occluder, (image, seg_map), kind, visited = CASES[case]
    params, turned = default_params(kind), set()
    for seed in range(12):
        arguments = image, seg_map, [occluder], np.random.default_rng(seed), params
        (_, _, record), functions = outline(lambda arguments=arguments: occlude(*arguments))
        modules = itertools.groupby(module for module, _ in functions)
        counts = Counter(module for module, _ in modules)  # stays in each
        assert visited in counts
        assert len(counts) <= MOST_MODULES, sorted(counts)
        assert max(counts.values()) <= MOST_STAYS, counts
        turned.add(record["face_changes"]["matrix"] is not None)
        assert record["placement"].get("arm_drawn", False) == (case == "forearm")
    assert turned == {False, True}
