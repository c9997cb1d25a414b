//! Rows gathered and summed.

use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice};

use super::{Matrix, bool_dtype};

/// `values[index[e]]`: `[N, C]` to `[E, C]`.
pub(crate) fn gather_rows<B: Backend>(
    values: FloatTensor<B>,
    index: IntTensor<B>,
) -> FloatTensor<B> {
    let (rows, columns) = (index.shape()[0], values.shape()[1]);
    match rows * columns {
        0 => Matrix::<B>::zeros([rows, columns], &values).0,
        _ => B::float_select(values, 0, index),
    }
}

/// Sums of `values[order[k]]` over `offsets[i]..offsets[i + 1]`: `[E, C]` to `[N, C]`.
pub(crate) fn sum_rows<B: Backend>(
    values: FloatTensor<B>,
    order: IntTensor<B>,
    offsets: IntTensor<B>,
) -> FloatTensor<B> {
    let [rows, columns] = Matrix::<B>(values.clone()).dims();
    let groups = offsets.shape()[0] - 1;
    if rows * columns * groups == 0 {
        return Matrix::<B>::zeros([groups, columns], &values).0;
    }
    let device = values.device();
    let runs = Runs::<B>::new(offsets.clone(), rows);
    let sums = runs.accumulate(gather_rows::<B>(values, order), Accumulate::Sum);
    // The last row of each group holds its sum; a group without rows has none.
    let [starts, ends] = [0, 1].map(|shift| slice::<B>(&offsets, shift, groups));
    let is_empty = B::int_equal(starts, ends.clone(), bool_dtype::<B>(&device));
    let last = B::int_clamp_min(B::int_sub_scalar(ends, 1.into()), 0.into());
    let is_empty = B::bool_reshape(is_empty, Shape::new([groups, 1]));
    Matrix::<B>(B::float_select(sums, 0, last))
        .fill_rows(is_empty, 0.0)
        .0
}

/// How rows of one run are combined.
#[derive(Clone, Copy, Debug)]
enum Accumulate {
    Sum,
    Max,
}

/// Consecutive rows `offsets[i]..offsets[i + 1]` that belong together.
pub(super) struct Runs<B: Backend> {
    pub(super) offsets: IntTensor<B>,
    /// `[rows]`
    pub(super) run_of_row: IntTensor<B>,
    rows: usize,
}

impl<B: Backend> Runs<B> {
    /// Finds the run of each row by bisection, all rows at once.
    pub(super) fn new(offsets: IntTensor<B>, rows: usize) -> Self {
        let (device, dtype) = (offsets.device(), offsets.dtype().into());
        let row = B::int_arange(0..rows as i64, &device, dtype);
        let runs = offsets.shape()[0] - 1;
        // offsets[low] <= row < offsets[high]
        let mut low = B::int_zeros(Shape::new([rows]), &device, dtype);
        let mut high = B::int_full(Shape::new([rows]), runs.into(), &device, dtype);
        for _ in 0..runs.next_power_of_two().ilog2() {
            let sum = B::int_add(low.clone(), high.clone());
            let middle = B::bitwise_right_shift_scalar(sum, 1.into());
            let start = B::int_select(offsets.clone(), 0, middle.clone());
            let is_below = B::int_lower_equal(start, row.clone(), bool_dtype::<B>(&device));
            low = B::int_mask_where(low, is_below.clone(), middle.clone());
            high = B::int_mask_where(middle, is_below, high);
        }
        Self {
            offsets,
            run_of_row: low,
            rows,
        }
    }

    /// In each row the sum or the maximum of the rows of its run up to itself: in step k every row takes
    /// in the one `2^k` before it, so rounding grows with the logarithm of the rows.
    fn accumulate(&self, values: FloatTensor<B>, how: Accumulate) -> FloatTensor<B> {
        let mut sums = Matrix::<B>(values);
        let mut step = 1;
        while step < self.rows {
            let rest = self.rows - step;
            let (first, last) = (sums.rows(0..step), sums.rows(step..self.rows));
            let before = sums.rows(0..rest);
            let other = self.other_run(step);
            let taken = match how {
                Accumulate::Sum => last + before.fill_rows(other, 0.0),
                Accumulate::Max => {
                    let dims = before.dims();
                    let is_higher = B::float_greater(
                        before.0.clone(),
                        last.0.clone(),
                        bool_dtype::<B>(&before.0.device()),
                    );
                    let same = B::bool_expand(B::bool_not(other), Shape::new(dims));
                    let replace = B::bool_and(is_higher, same);
                    Matrix(B::float_mask_where(last.0, replace, before.0))
                }
            };
            sums = Matrix(B::float_cat(vec![first.0, taken.0], 0));
            step *= 2;
        }
        sums.0
    }

    /// Which rows from `step` on belong to another run than the row `step` before, `[rows - step, 1]`.
    fn other_run(&self, step: usize) -> BoolTensor<B> {
        let rest = self.rows - step;
        let [before, own] = [0, step].map(|first| slice::<B>(&self.run_of_row, first, rest));
        let dtype = bool_dtype::<B>(&own.device());
        let other = B::bool_not(B::int_equal(before, own, dtype));
        B::bool_reshape(other, Shape::new([rest, 1]))
    }

    /// The maximum of the whole run, in each of its rows.
    pub(super) fn highest(&self, values: Matrix<B>) -> Matrix<B> {
        let next = B::int_add_scalar(self.run_of_row.clone(), 1.into());
        let end = B::int_select(self.offsets.clone(), 0, next);
        let last = B::int_sub_scalar(end, 1.into());
        let highest = self.accumulate(values.0, Accumulate::Max);
        Matrix(B::float_select(highest, 0, last))
    }
}

fn slice<B: Backend>(values: &IntTensor<B>, first: usize, count: usize) -> IntTensor<B> {
    B::int_slice(values.clone(), &[Slice::from(first..first + count)])
}
