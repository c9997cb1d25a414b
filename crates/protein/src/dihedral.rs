//! The angle between two planes through a common line.

use nalgebra::Vector3;

/// `(cos, sin)` of the torsion of four points, positive where the last is turned clockwise from the
/// first as seen along the middle (IUPAC); `None` where three successive points lie on a line.
pub(crate) fn dihedral(points: [Vector3<f64>; 4]) -> Option<(f64, f64)> {
    let [first, middle, last] = [0, 1, 2].map(|k| points[k + 1] - points[k]);
    let (n, m) = (first.cross(&middle), middle.cross(&last));
    let cos = n.dot(&m);
    // n x m lies along the middle, by the sine.
    let sin = first.dot(&m) * middle.norm();
    let length = cos.hypot(sin);
    (length > 0.0 && length.is_finite()).then(|| (cos / length, sin / length))
}
