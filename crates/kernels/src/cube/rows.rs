//! Gathers and sums of rows: one thread for each number of the result.

use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{buffer, dims, empty_like, has_kernels, one_thread_each, row_major};
use crate::RowOps;
use crate::composed::rows as composed;

#[cube(launch)]
fn gather(values: &[f32], index: &[i32], out: &mut [f32], width: usize, count: usize) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let row = index[ABSOLUTE_POS / width] as usize;
    out[ABSOLUTE_POS] = values[row * width + ABSOLUTE_POS % width];
}

#[cube(launch)]
fn sum(
    values: &[f32],
    order: &[i32],
    offsets: &[i32],
    out: &mut [f32],
    width: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let row = ABSOLUTE_POS / width;
    let column = ABSOLUTE_POS % width;
    let mut sum = 0.0f32;
    for k in offsets[row] as usize..offsets[row + 1] as usize {
        sum += values[order[k] as usize * width + column];
    }
    out[ABSOLUTE_POS] = sum;
}

/// The run that a row is in, by halving: the last one that begins at the row or before it.
#[cube]
pub(super) fn row_of(offsets: &[i32], runs: usize, row: usize) -> usize {
    let mut run = 0usize;
    let mut above = runs;
    while above - run > 1 {
        let middle = (run + above) / 2;
        if (offsets[middle] as usize) <= row {
            run = middle;
        } else {
            above = middle;
        }
    }
    run
}

#[cube(launch)]
fn runs_of_rows(offsets: &[i32], out: &mut [i32], runs: usize, count: usize) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    out[ABSOLUTE_POS] = row_of(offsets, runs, ABSOLUTE_POS) as i32;
}

/// The run `offsets[i]..offsets[i + 1]` that each of `rows` rows is in.
pub(super) fn rows_of_edges(offsets: &CubeTensor, rows: usize) -> CubeTensor {
    let out = empty_like(offsets, [rows]);
    let (groups, threads) = one_thread_each(&out, rows);
    runs_of_rows::launch(
        &out.client,
        groups,
        threads,
        buffer(offsets),
        buffer(&out),
        offsets.meta.shape()[0] - 1,
        rows,
    );
    out
}

impl RowOps for CubeBackend {
    fn gather_rows(
        values: CubeTensor,
        index: CubeTensor,
        order: CubeTensor,
        offsets: CubeTensor,
    ) -> CubeTensor {
        if !has_kernels(values.dtype) {
            return composed::gather_rows::<Self>(values, index);
        }
        let _ = (order, offsets);
        let [values, index] = row_major([values, index]);
        let (rows, width) = (index.meta.shape()[0], dims(&values)[1]);
        let out = empty_like(&values, [rows, width]);
        let count = rows * width;
        if count > 0 {
            let (groups, threads) = one_thread_each(&out, count);
            gather::launch(
                &out.client,
                groups,
                threads,
                buffer(&values),
                buffer(&index),
                buffer(&out),
                width,
                count,
            );
        }
        out
    }

    fn sum_rows(
        values: CubeTensor,
        index: CubeTensor,
        order: CubeTensor,
        offsets: CubeTensor,
    ) -> CubeTensor {
        if !has_kernels(values.dtype) {
            return composed::sum_rows::<Self>(values, order, offsets);
        }
        let _ = index;
        let [values, order, offsets] = row_major([values, order, offsets]);
        let (rows, width) = (offsets.meta.shape()[0] - 1, dims(&values)[1]);
        let out = empty_like(&values, [rows, width]);
        let count = rows * width;
        if count > 0 {
            let (groups, threads) = one_thread_each(&out, count);
            sum::launch(
                &out.client,
                groups,
                threads,
                buffer(&values),
                buffer(&order),
                buffer(&offsets),
                buffer(&out),
                width,
                count,
            );
        }
        out
    }
}
