//! Relative positions, lengths and harmonics.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::DType;
use burn_autodiff::Autodiff;
use steerable_harmonics::Normalization;

use super::rows::{gather_rows, sum_rows};
use super::{Matrix, bool_dtype, tape};

/// `positions[dst] - (positions[src] + shift)`; `shifts` has a row for each edge or none.
pub(crate) fn relative_positions<B: Backend>(
    positions: FloatTensor<B>,
    src: IntTensor<B>,
    dst: IntTensor<B>,
    shifts: FloatTensor<B>,
) -> FloatTensor<B> {
    let to = Matrix::<B>(gather_rows::<B>(positions.clone(), dst));
    let difference = to - Matrix(gather_rows::<B>(positions, src));
    match shifts.shape()[0] {
        0 => difference.0,
        _ => (difference - Matrix(shifts)).0,
    }
}

/// Gradient of [`relative_positions`] to positions, edges grouped by both ends.
pub(crate) fn relative_positions_backward<B: Backend>(
    grad: FloatTensor<B>,
    [src_order, src_offsets, dst_order, dst_offsets]: [IntTensor<B>; 4],
) -> FloatTensor<B> {
    let into = Matrix::<B>(sum_rows::<B>(grad.clone(), dst_order, dst_offsets));
    (into - Matrix(sum_rows::<B>(grad, src_order, src_offsets))).0
}

/// `|v|`: `[E, 3]` to `[E, 1]`.
pub(crate) fn lengths<B: Backend>(vectors: FloatTensor<B>) -> FloatTensor<B> {
    let vectors = Matrix::<B>(vectors);
    B::float_sqrt((vectors.clone() * vectors).sum_columns().0)
}

/// Gradient of [`lengths`], `grad v / |v|`: zero where the length is zero.
pub(crate) fn lengths_backward<B: Backend>(
    grad: FloatTensor<B>,
    vectors: FloatTensor<B>,
    lengths: FloatTensor<B>,
) -> FloatTensor<B> {
    let dtype = bool_dtype::<B>(&lengths.device());
    let is_zero = B::float_equal_elem(lengths.clone(), 0.0.into(), dtype);
    let safe = Matrix::<B>(lengths).fill_rows(is_zero.clone(), 1.0);
    let scale = Matrix::<B>(grad) * Matrix(B::float_recip(safe.0));
    (scale.fill_rows(is_zero, 0.0) * Matrix(vectors)).0
}

/// Real spherical harmonics of directions: `[E, 3]` to `[E, (l_max + 1)^2]`, by the recursions of
/// `steerable-harmonics`, a column at a time.
pub(crate) fn spherical_harmonics<B: Backend>(
    vectors: FloatTensor<B>,
    l_max: usize,
    normalization: Normalization,
) -> FloatTensor<B> {
    let edges = vectors.shape()[0];
    let width = (l_max + 1) * (l_max + 1);
    if edges == 0 {
        return Matrix::<B>::zeros([0, width], &vectors).0;
    }
    let length = |l: usize| normalization.length(l);
    let first = Matrix::<B>::full([edges, 1], length(0), &vectors);
    // `squared` is 1, and 0 where there is no direction.
    let Directions { unit, squared } = Directions::<B>::new(vectors);
    let [x, y, z] = [0, 1, 2].map(|axis| unit.column(axis));
    let mut columns: Vec<Option<Matrix<B>>> = vec![None; width];
    columns[0] = Some(first.clone());
    let mut sectoral = (first, None::<Matrix<B>>);
    for m in 0..=l_max {
        if m > 0 {
            let unscaled = if m == 1 {
                1.0
            } else {
                ((2 * m - 1) as f64 / (2 * m) as f64).sqrt()
            };
            let factor = unscaled * length(m) / length(m - 1);
            let (x, z) = (x.clone().scale(factor), z.clone().scale(factor));
            let (cosine, sine) = sectoral;
            sectoral = match sine {
                None => (z * cosine.clone(), Some(x * cosine)),
                Some(sine) => (
                    z.clone() * cosine.clone() - x.clone() * sine.clone(),
                    Some(z * sine + x * cosine),
                ),
            };
        }
        let (cosine, sine) = sectoral.clone();
        let orders = [Some((m as isize, cosine)), sine.map(|s| (-(m as isize), s))];
        for (order, start) in orders.into_iter().flatten() {
            let (mut last, mut before) = (start, None::<Matrix<B>>);
            let place = |l: usize| (l * l + l).strict_add_signed(order);
            columns[place(m)] = Some(last.clone());
            for l in m + 1..=l_max {
                let span = ((l - m) * (l + m)) as f64;
                let polar = (2 * l - 1) as f64 / span.sqrt() * length(l) / length(l - 1);
                let mut next = (y.clone() * last.clone()).scale(polar);
                if let Some(before) = before {
                    let below = ((l - m - 1) * (l + m - 1)) as f64;
                    let radial = (below / span).sqrt() * length(l) / length(l - 2);
                    next = next - (squared.clone() * before).scale(radial);
                }
                columns[place(l)] = Some(next.clone());
                (before, last) = (Some(last), next);
            }
        }
    }
    let columns = columns.into_iter().map(|c| c.expect("every order is set"));
    Matrix::side_by_side(columns.collect()).0
}

/// Gradient of [`spherical_harmonics`] to the vectors.
pub(crate) fn spherical_harmonics_backward<B: Backend>(
    grad: FloatTensor<B>,
    vectors: FloatTensor<B>,
    l_max: usize,
    normalization: Normalization,
) -> FloatTensor<B> {
    if l_max == 0 || vectors.shape()[0] == 0 {
        return Matrix::<B>::zeros([vectors.shape()[0], 3], &vectors).0;
    }
    let [to_vectors] = tape::gradients::<B, 1>([vectors], grad, |[vectors]| {
        spherical_harmonics::<Autodiff<B>>(vectors, l_max, normalization)
    });
    to_vectors
}

/// Vectors over their lengths.
struct Directions<B: Backend> {
    /// `[E, 3]`, zero for the zero vector.
    unit: Matrix<B>,
    /// `|unit|^2`, `[E, 1]`, as a constant.
    squared: Matrix<B>,
}

impl<B: Backend> Directions<B> {
    /// Squares overflow and underflow long before lengths do, so vectors are first brought near length
    /// one. A direction does not depend on that scale, which therefore is a constant.
    fn new(vectors: FloatTensor<B>) -> Self {
        // As in `steerable-harmonics`: the gradient to a shorter vector would overflow.
        let shortest = match vectors.dtype() {
            DType::F64 => 1e-290,
            _ => 1e-30,
        };
        let dtype = bool_dtype::<B>(&vectors.device());
        let sizes = B::float_abs(B::float_detach(vectors.clone()));
        let size = B::float_sum_dim(sizes.clone(), 1);
        let is_zero = B::float_lower_elem(size, shortest.into(), dtype);
        let largest = Matrix::<B>(B::float_max_dim(sizes, 1)).fill_rows(is_zero.clone(), 1.0);
        let scaled = Matrix::<B>(B::float_div(vectors, largest.0));
        let squared = (scaled.clone() * scaled.clone()).sum_columns();
        let squared = squared.fill_rows(is_zero.clone(), 1.0);
        let inverse = Matrix::<B>(B::float_recip(B::float_sqrt(squared.0)));
        let edges = scaled.dims()[0];
        let one = Matrix::<B>::full([edges, 1], 1.0, &scaled.0);
        Self {
            unit: scaled * inverse.fill_rows(is_zero.clone(), 0.0),
            squared: one.fill_rows(is_zero, 0.0),
        }
    }
}
