import os

import pytest

from face_occlusion.core.parallel import num_workers, ordered_map


def square(number):
    return number * number


def process_of(_):
    return os.getpid()


def refuse_seven(number):
    if number == 7:
        raise ValueError("item 7: refused")
    return number


@pytest.mark.parametrize("workers", [1, 3])
def test_order_is_kept(workers):
    items = list(range(50))
    assert list(ordered_map(square, items, desc="x", workers=workers)) == [i * i for i in items]


def test_one_worker_stays_in_this_process():
    assert set(ordered_map(process_of, [1, 2], desc="x", workers=1)) == {os.getpid()}
    assert os.getpid() not in set(ordered_map(process_of, [1, 2, 3], desc="x", workers=2))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_error_is_raised(workers):
    done = []
    with pytest.raises(ValueError, match="item 7: refused"):
        done.extend(ordered_map(refuse_seven, list(range(30)), desc="x", workers=workers))


def test_nothing_gives_nothing():
    assert list(ordered_map(square, [], desc="x")) == []
    assert num_workers() >= 1
