//! Sums over many rows: in parts side by side, then over the parts in order.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{buffer, dims, empty_like, one_thread_each};

/// Threads that fill a GPU.
const THREADS_ENOUGH: usize = 1 << 15;
/// Rows that a part has at least.
const ROWS: usize = 64;

/// How rows are dealt to parts.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    pub(super) count: usize,
    pub(super) rows: usize,
}

impl Parts {
    /// Parts of `rows` rows, where `width` threads work on each.
    pub(super) fn new(rows: usize, width: usize) -> Self {
        let wanted = THREADS_ENOUGH.div_ceil(width.max(1));
        let rows_per_part = rows.div_ceil(wanted).max(ROWS);
        Self {
            count: rows.div_ceil(rows_per_part).max(1),
            rows: rows_per_part,
        }
    }
}

#[cube(launch)]
fn add_parts(parts: &[f32], out: &mut [f32], number: usize, count: usize) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let mut sum = 0.0f32;
    for part in 0..number {
        sum += parts[part * count + ABSOLUTE_POS];
    }
    out[ABSOLUTE_POS] = sum;
}

/// `out[i] = sum over k of parts[k, i]`, in order.
pub(super) fn sum_parts(parts: &CubeTensor, number: usize, out: &CubeTensor) {
    let count = out.meta.num_elements();
    let (groups, threads) = one_thread_each(out, count);
    add_parts::launch(
        &out.client,
        groups,
        threads,
        buffer(parts),
        buffer(out),
        number,
        count,
    );
}

#[cube(launch)]
fn columns(
    values: &[f32],
    out: &mut [f32],
    rows: usize,
    width: usize,
    rows_per_part: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let first = ABSOLUTE_POS / width * rows_per_part;
    let column = ABSOLUTE_POS % width;
    let mut sum = 0.0f32;
    for row in first..(first + rows_per_part).min(rows) {
        sum += values[row * width + column];
    }
    out[ABSOLUTE_POS] = sum;
}

/// The sum of each column, `[columns]`; there must be rows and columns.
pub(super) fn sum_columns(values: &CubeTensor) -> CubeTensor {
    let [rows, width] = dims(values);
    let parts = Parts::new(rows, width);
    let partial = empty_like(values, [parts.count, width]);
    let count = parts.count * width;
    let (groups, threads) = one_thread_each(&partial, count);
    columns::launch(
        &partial.client,
        groups,
        threads,
        buffer(values),
        buffer(&partial),
        rows,
        width,
        parts.rows,
        count,
    );
    let out = empty_like(values, [width]);
    sum_parts(&partial, parts.count, &out);
    out
}
