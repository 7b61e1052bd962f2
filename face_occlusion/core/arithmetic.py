"""Arithmetic that ends in the same bits on every CPU.

IEEE 754 settles +, -, *, / and square roots to the last bit. What differs between CPUs is the order
of sums and the fused multiply-adds of BLAS, LAPACK and OpenCV's kernels for floats, and the last
bit of sines, powers and logarithms. Products are therefore summed here in a stated order, roots
and eigenvectors computed from those five operations, and the results of elementary functions
rounded to a grid far coarser than their error. Integers, and floats with so few bits that
every sum is exact, need none of this.
"""

import math
from collections.abc import Sequence
from typing import TypeVar, cast

import cv2
import numpy as np

_WEIGHT_BITS = 13  # sums of two such weights times uint8 below 2,048 fit in float32

Number = TypeVar("Number", float, np.ndarray)
Item = TypeVar("Item")


def on_grid(values: Number, bits: int = 24) -> Number:
    """Round the result of a sine, power, ..., or what is to be summed, to multiples of 2**-bits.

    Where float64 holds every sum of such values, a product of matrices is the same on every CPU.
    """
    return cast(Number, np.rint(values * 2.0**bits) / 2.0**bits)


def evenly_spaced(items: Sequence[Item], number: int) -> list[Item]:
    """Pick `number` items at even distances, the first and the last too; all if there are fewer."""
    if len(items) <= number:
        return list(items)
    return [items[place] for place in np.rint(np.linspace(0, len(items) - 1, number)).astype(int)]


def exact_weight(value: float) -> float:
    """Round a weight of uint8 images to a multiple of 2**-13, so that OpenCV's sums are exact."""
    return float(on_grid(value, _WEIGHT_BITS))


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Multiply matrices (..., N, K) by (..., K, M), adding the terms from the first to the last."""
    total = left[..., :, :1] * right[..., :1, :]
    for k in range(1, left.shape[-1]):
        total += left[..., :, k, np.newaxis] * right[..., np.newaxis, k, :]
    return total


def determinant(matrix: np.ndarray) -> float:
    """Return the determinant of a (2, 2) matrix."""
    return float(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse of a (2, 2) or (3, 3) matrix, by cofactors."""
    if len(matrix) == 2:
        (a, b), (c, d) = matrix
        return np.array([[d, -b], [-c, a]]) / determinant(matrix)
    columns = cross(matrix[[1, 2, 0]], matrix[[2, 0, 1]])
    first = matrix[0] * columns[0]
    return columns.T / (first[0] + first[1] + first[2])


def cross(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the cross product of (..., 3) vectors."""
    following = [1, 2, 0]
    shifted = left * right[..., following] - left[..., following] * right
    return shifted[..., following]


def direction(angle_deg: float) -> np.ndarray:
    """Return the unit vector (x, y) of an angle: 0 right, 90 down."""
    angle = math.radians(angle_deg)
    return on_grid(np.array([math.cos(angle), math.sin(angle)]))


def rotate(angle_deg: float) -> np.ndarray:
    """Return the (2, 2) rotation that adds `angle_deg` to a direction."""
    cosine, sine = direction(angle_deg)
    return np.array([[cosine, -sine], [sine, cosine]])


def shear(angle_deg: float) -> np.ndarray:
    """Return the (2, 2) horizontal shear by an angle."""
    return np.array([[1.0, on_grid(math.tan(math.radians(angle_deg)))], [0.0, 1.0]])


def affine(linear: np.ndarray, origin: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the (2, 3) affine with this linear part that takes `origin` to `target`."""
    return np.column_stack([linear, target - transform(linear, origin)])


def transform(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a (2, 3) affine or its (2, 2) linear part to (..., 2) points."""
    moved = points[..., :1] * matrix[:, 0] + points[..., 1:] * matrix[:, 1]
    return moved + matrix[:, 2] if matrix.shape[1] == 3 else moved


def project(points: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Return how far (..., 2) points lie along a (2,) unit vector."""
    return points[..., 0] * along[0] + points[..., 1] * along[1]


def root(values: np.ndarray, degree: int) -> np.ndarray:
    """Return the `degree`-th root of positive float64 values, by Newton's method; 0 stays 0."""
    one = np.float64(1).view(np.int64)
    positive = np.maximum(values, np.finfo(float).tiny)
    near = ((positive.view(np.int64) - one) // degree + one).view(np.float64)  # within 7 %
    for _ in range(4 if degree < 4 else 5):  # each doubles the digits that are right
        power = near
        for _ in range(degree - 2):
            power = power * near
        near = ((degree - 1) * near + positive / power) / degree
    return np.where(values > 0, near, 0)


def eigen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues (3,) and eigenvectors (columns of (3, 3)) of a symmetric (3, 3) matrix.

    By Jacobi's rotations; ten sweeps reach the precision of float64.
    """
    rotated, vectors = np.array(matrix, np.float64), np.eye(3)
    for p, q in 10 * ((0, 1), (0, 2), (1, 2)):
        if abs(rotated[p, q]) < 1e-150:  # as good as 0; its square would be it
            continue
        apart, twice = rotated[q, q] - rotated[p, p], 2 * rotated[p, q]
        tangent = twice / (abs(apart) + np.sqrt(apart * apart + twice * twice))
        tangent = tangent if apart >= 0 else -tangent
        cosine = 1 / np.sqrt(tangent * tangent + 1)
        turn = np.eye(3)
        turn[p, p] = turn[q, q] = cosine
        turn[p, q], turn[q, p] = tangent * cosine, -tangent * cosine
        rotated = product(product(turn.T, rotated), turn)
        rotated[p, q] = rotated[q, p] = 0
        vectors = product(vectors, turn)
    return np.diagonal(rotated).copy(), vectors


def convolve(
    field: np.ndarray,
    kernel: np.ndarray,
    border: int = cv2.BORDER_CONSTANT,
) -> np.ndarray:
    """Convolve rows and columns with a symmetric kernel, adding taps from the middle outwards.

    `field` is (H, W) or (H, W, C) float32, C from 2 to 4; `border` is OpenCV's name for what lies
    beyond it (BORDER_CONSTANT: zeros); the kernel is (K,), K odd. Returns float32 of field's shape.
    """
    radius = len(kernel) // 2
    taps = np.asarray(kernel, np.float32).ravel()[radius:]
    for _ in range(2):  # rows, then columns
        length = len(field)
        padded = cv2.copyMakeBorder(field, radius, radius, 0, 0, border)
        total = taps[0] * field
        pair = np.empty_like(total)
        for k in range(1, radius + 1):
            np.add(padded[radius - k :][:length], padded[radius + k :][:length], out=pair)
            pair *= taps[k]
            total += pair
        field = np.ascontiguousarray(total.swapaxes(0, 1))
    return field
