//! The coefficients of one step of the recursion.

/// One summand of a row of D_l: `weight · D_1[axis, ·] · D_(l-1)[row, ·]`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Term {
    /// Row of D_1: 0, 1, 2 for x, y, z.
    pub(super) axis: usize,
    /// Row of D_(l-1), counted from 0.
    pub(super) row: usize,
    pub(super) weight: f64,
}

/// Terms in a row; a row that needs fewer is filled up with weight 0.
pub(super) const TERMS: usize = 5;

/// The step from degree l-1 to degree l >= 2.
#[derive(Debug, Clone)]
pub(super) struct Degree {
    pub(super) l: usize,
    /// The terms of the rows m = -l..=l.
    pub(super) rows: Vec<[Term; TERMS]>,
    /// What a column |n| < l is multiplied with, 1 / sqrt((l+n)(l-n)).
    pub(super) inner_scales: Vec<f64>,
    /// What the columns n = ±l are multiplied with, 1 / sqrt(2l(2l-1)).
    pub(super) outer_scale: f64,
}

impl Degree {
    pub(super) fn new(l: usize) -> Self {
        let degree = i64::try_from(l).expect("a degree is far below 2^63");
        let inner = (1 - degree..degree).map(|n| (((degree + n) * (degree - n)) as f64).sqrt());
        Self {
            l,
            rows: (-degree..=degree).map(|m| row_terms(degree, m)).collect(),
            inner_scales: inner.map(f64::recip).collect(),
            outer_scale: ((2 * degree * (2 * degree - 1)) as f64).sqrt().recip(),
        }
    }
}

/// The terms u U + v V + w W of Ivanic and Ruedenberg for row m, without the factor that depends on
/// the column.
fn row_terms(l: i64, m: i64) -> [Term; TERMS] {
    let size = m.abs();
    let u = (((l + m) * (l - m)) as f64).sqrt();
    let v = 0.5 * (((l + size - 1) * (l + size)) as f64).sqrt();
    let w = -0.5 * (((l - size - 1) * (l - size)) as f64).sqrt();
    let sqrt2 = std::f64::consts::SQRT_2;
    // (axis, order of the row of D_(l-1), weight); the axes -1, 0, 1 are x, y, z.
    let terms = match m {
        0 => [
            (0, 0, u),
            (1, 1, -sqrt2 * v),
            (-1, -1, -sqrt2 * v),
            (0, 0, 0.0),
            (0, 0, 0.0),
        ],
        1 => [
            (0, 1, u),
            (1, 0, sqrt2 * v),
            (0, 0, 0.0),
            (1, 2, w),
            (-1, -2, w),
        ],
        -1 => [
            (0, -1, u),
            (-1, 0, sqrt2 * v),
            (0, 0, 0.0),
            (1, -2, w),
            (-1, 2, -w),
        ],
        2.. => [
            (0, m, u),
            (1, m - 1, v),
            (-1, 1 - m, -v),
            (1, m + 1, w),
            (-1, -m - 1, w),
        ],
        _ => [
            (0, m, u),
            (1, m + 1, v),
            (-1, -m - 1, v),
            (1, m - 1, w),
            (-1, 1 - m, -w),
        ],
    };
    terms.map(
        |(axis, order, weight)| match usize::try_from(order + l - 1) {
            Ok(row) if order < l => Term {
                axis: (axis + 1) as usize,
                row,
                weight,
            },
            // The row is outside D_(l-1) exactly where the weight is 0.
            _ => Term::default(),
        },
    )
}
