//! One safe door to the `gemm` crate.

use gemm::Parallelism;

use super::real::Real;

/// A row-major view with a row stride, possibly read transposed.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    pub(crate) fn new(data: &'a [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride: 1,
        }
    }

    pub(crate) fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    fn assert_in_bounds(&self) {
        if self.rows > 0 && self.cols > 0 {
            let last = (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride;
            assert!(last < self.data.len(), "matrix view exceeds its storage");
        }
    }
}

/// `out += a b`, on the calling thread. `out` is row-major with the given row stride.
pub(crate) fn add_product<T: Real>(
    out: &mut [T],
    out_row_stride: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
) {
    product(out, out_row_stride, a, b, true);
}

/// `out = a b`, otherwise as [`add_product`].
pub(crate) fn set_product<T: Real>(
    out: &mut [T],
    out_row_stride: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
) {
    product(out, out_row_stride, a, b, false);
}

fn product<T: Real>(
    out: &mut [T],
    out_row_stride: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    adds: bool,
) {
    assert_eq!(a.cols, b.rows, "inner sizes differ");
    a.assert_in_bounds();
    b.assert_in_bounds();
    if a.rows == 0 || b.cols == 0 {
        return;
    }
    let last = (a.rows - 1) * out_row_stride + b.cols - 1;
    assert!(
        out_row_stride >= b.cols && last < out.len(),
        "output view exceeds its storage"
    );
    // SAFETY: both inputs were checked to lie inside their slices and the output inside `out`, which
    // is borrowed mutably, so it overlaps neither input. `T` is f32 or f64, which `gemm` implements.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out.as_mut_ptr(),
            1,
            out_row_stride as isize,
            adds,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
