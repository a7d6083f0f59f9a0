"""Vectors and matrices of three components as tuples, which a compiler keeps in registers.

`Vector` is (0, 1, 2), `Symmetric` (00, 01, 02, 11, 12, 22), `Matrix` row by row. A transition is unit upper
triangular, as that of every chain of integrators: its `Vector` is (01, 02, 12).
"""

from services.stats.kernels.compiled import helper

Vector = tuple[float, float, float]
Symmetric = tuple[float, float, float, float, float, float]
Matrix = tuple[float, float, float, float, float, float, float, float, float]

NONE = (0.0, 0.0, 0.0)
EMPTY = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
BLANK = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@helper
def dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@helper
def scaled(a: Vector, by: float) -> Vector:
    return a[0] * by, a[1] * by, a[2] * by


@helper
def plus(a: Vector, b: Vector) -> Vector:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@helper
def summed(p: Symmetric, q: Symmetric) -> Symmetric:
    return p[0] + q[0], p[1] + q[1], p[2] + q[2], p[3] + q[3], p[4] + q[4], p[5] + q[5]


@helper
def raised_by(p: Symmetric, by: float) -> Symmetric:
    """P times `by`."""
    return p[0] * by, p[1] * by, p[2] * by, p[3] * by, p[4] * by, p[5] * by


@helper
def squared(v: Vector, by: float) -> Symmetric:
    """v v' times `by`."""
    a, b, c = by * v[0], by * v[1], by * v[2]
    return a * v[0], a * v[1], a * v[2], b * v[1], b * v[2], c * v[2]


@helper
def seen_by(p: Symmetric, v: Vector) -> Vector:
    """P v."""
    return (
        p[0] * v[0] + p[1] * v[1] + p[2] * v[2],
        p[1] * v[0] + p[3] * v[1] + p[4] * v[2],
        p[2] * v[0] + p[4] * v[1] + p[5] * v[2],
    )


@helper
def onward(f: Vector, v: Vector) -> Vector:
    """F v."""
    return v[0] + f[0] * v[1] + f[1] * v[2], v[1] + f[2] * v[2], v[2]


@helper
def backward(f: Vector, v: Vector) -> Vector:
    """F' v."""
    return v[0], f[0] * v[0] + v[1], f[1] * v[0] + f[2] * v[1] + v[2]


@helper
def spread_onward(f: Vector, p: Symmetric) -> Symmetric:
    """F P F'."""
    a00 = p[0] + f[0] * p[1] + f[1] * p[2]
    a01 = p[1] + f[0] * p[3] + f[1] * p[4]
    a02 = p[2] + f[0] * p[4] + f[1] * p[5]
    a11 = p[3] + f[2] * p[4]
    a12 = p[4] + f[2] * p[5]
    return a00 + a01 * f[0] + a02 * f[1], a01 + a02 * f[2], a02, a11 + a12 * f[2], a12, p[5]


@helper
def spread_backward(f: Vector, n: Symmetric) -> Symmetric:
    """F' N F."""
    a01 = n[0] * f[0] + n[1]
    a11 = n[1] * f[0] + n[3]
    a02 = n[0] * f[1] + n[1] * f[2] + n[2]
    a12 = n[1] * f[1] + n[3] * f[2] + n[4]
    a22 = n[2] * f[1] + n[4] * f[2] + n[5]
    return n[0], a01, a02, f[0] * a01 + a11, f[0] * a02 + a12, f[1] * a02 + f[2] * a12 + a22


@helper
def kept(k: Vector, p: Symmetric) -> Symmetric:
    """(I - k h') P (I - k h')', h the first unit vector: what a measurement of gain k leaves of P."""
    rest = 1.0 - k[0]
    m00, m10, m20 = rest * p[0], p[1] - k[1] * p[0], p[2] - k[2] * p[0]
    m11, m21, m22 = p[3] - k[1] * p[1], p[4] - k[2] * p[1], p[5] - k[2] * p[2]
    return m00 * rest, m10 * rest, m20 * rest, m11 - m10 * k[1], m21 - m20 * k[1], m22 - m20 * k[2]


@helper
def full(p: Symmetric) -> Matrix:
    return p[0], p[1], p[2], p[1], p[3], p[4], p[2], p[4], p[5]


@helper
def upper(a: Matrix) -> Symmetric:
    return a[0], a[1], a[2], a[4], a[5], a[8]


@helper
def turned(a: Matrix) -> Matrix:
    return a[0], a[3], a[6], a[1], a[4], a[7], a[2], a[5], a[8]


@helper
def times(a: Matrix, b: Matrix) -> Matrix:
    return (
        a[0] * b[0] + a[1] * b[3] + a[2] * b[6],
        a[0] * b[1] + a[1] * b[4] + a[2] * b[7],
        a[0] * b[2] + a[1] * b[5] + a[2] * b[8],
        a[3] * b[0] + a[4] * b[3] + a[5] * b[6],
        a[3] * b[1] + a[4] * b[4] + a[5] * b[7],
        a[3] * b[2] + a[4] * b[5] + a[5] * b[8],
        a[6] * b[0] + a[7] * b[3] + a[8] * b[6],
        a[6] * b[1] + a[7] * b[4] + a[8] * b[7],
        a[6] * b[2] + a[7] * b[5] + a[8] * b[8],
    )


@helper
def within(a: Matrix, b: Matrix, c: Matrix) -> Matrix:
    """A' B C."""
    return times(times(turned(a), b), c)


@helper
def both(a: Matrix, b: Matrix, by: float) -> Matrix:
    """A + B times `by`."""
    return (
        a[0] + b[0] * by,
        a[1] + b[1] * by,
        a[2] + b[2] * by,
        a[3] + b[3] * by,
        a[4] + b[4] * by,
        a[5] + b[5] * by,
        a[6] + b[6] * by,
        a[7] + b[7] * by,
        a[8] + b[8] * by,
    )


@helper
def raised(a: Matrix, by: float) -> Matrix:
    """A + h h' times `by`."""
    return a[0] + by, a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8]


@helper
def column(c: Vector) -> Matrix:
    """c h'."""
    return c[0], 0.0, 0.0, c[1], 0.0, 0.0, c[2], 0.0, 0.0


@helper
def keep(k: Vector) -> Matrix:
    """I - k h'."""
    return 1.0 - k[0], 0.0, 0.0, -k[1], 1.0, 0.0, -k[2], 0.0, 1.0


@helper
def triangular(f: Vector) -> Matrix:
    return 1.0, f[0], f[1], 0.0, 1.0, f[2], 0.0, 0.0, 1.0
