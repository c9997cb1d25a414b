//! Linear maps side by side: one thread for each column of a few rows.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::sums::{Parts, sum_parts};
use super::{buffer, dims, empty_like, one_thread_each};

/// Rows that a thread takes, so that it reads a weight once for all of them.
const ROWS: usize = 4;

/// `out[r, g d_out + o] = bias[g d_out + o] + sum over i of x[r, g d_in + i] weight[g, i, o]`: one thread
/// for each column of a few rows.
#[cube(launch)]
fn linear(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    out: &mut [f32],
    rows: usize,
    groups: usize,
    d_in: usize,
    d_out: usize,
    count: usize,
    #[comptime] has_bias: bool,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let width = groups * d_out;
    let column = ABSOLUTE_POS % width;
    let first = ABSOLUTE_POS / width * ROWS;
    let group = column / d_out;
    let mut sums = Array::<f32>::new(ROWS);
    #[unroll]
    for i in 0..ROWS {
        if comptime!(has_bias) {
            sums[i] = bias[column];
        } else {
            sums[i] = 0.0;
        }
    }
    for k in 0..d_in {
        let factor = weight[(group * d_in + k) * d_out + column % d_out];
        #[unroll]
        for i in 0..ROWS {
            let row = (first + i).min(rows - 1);
            sums[i] += x[row * groups * d_in + group * d_in + k] * factor;
        }
    }
    #[unroll]
    for i in 0..ROWS {
        if first + i < rows {
            out[(first + i) * width + column] = sums[i];
        }
    }
}

/// `[groups, d_in, d_out]` to `[groups, d_out, d_in]`.
#[cube(launch)]
fn transpose(weight: &[f32], out: &mut [f32], d_in: usize, d_out: usize, count: usize) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let group = ABSOLUTE_POS / (d_in * d_out);
    let i = ABSOLUTE_POS % d_in;
    let o = ABSOLUTE_POS % (d_in * d_out) / d_in;
    out[ABSOLUTE_POS] = weight[(group * d_in + i) * d_out + o];
}

/// Gradient of the weights over the rows of each part, `[parts, groups, d_in, d_out]`.
#[cube(launch)]
fn weight_parts(
    x: &[f32],
    grad: &[f32],
    out: &mut [f32],
    rows: usize,
    rows_per_part: usize,
    groups: usize,
    d_in: usize,
    d_out: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let weights = groups * d_in * d_out;
    let first = ABSOLUTE_POS / weights * rows_per_part;
    let input = ABSOLUTE_POS % weights / d_out;
    let output = input / d_in * d_out + ABSOLUTE_POS % d_out;
    let mut sum = 0.0f32;
    for row in first..(first + rows_per_part).min(rows) {
        sum += x[row * groups * d_in + input] * grad[row * groups * d_out + output];
    }
    out[ABSOLUTE_POS] = sum;
}

/// Linear maps side by side, `[groups, d_in, d_out]`.
#[derive(Clone, Copy)]
pub(super) struct Maps {
    pub(super) groups: usize,
    pub(super) d_in: usize,
    pub(super) d_out: usize,
}

impl Maps {
    pub(super) fn forward(
        self,
        x: &CubeTensor,
        weight: &CubeTensor,
        bias: Option<&CubeTensor>,
    ) -> CubeTensor {
        let (rows, width) = (dims(x)[0], self.groups * self.d_out);
        let out = empty_like(x, [rows, width]);
        let count = rows.div_ceil(ROWS) * width;
        let (groups, threads) = one_thread_each(&out, count);
        linear::launch(
            &out.client,
            groups,
            threads,
            buffer(x),
            buffer(weight),
            // Without a bias the kernel binds something it does not read.
            buffer(bias.unwrap_or(weight)),
            buffer(&out),
            rows,
            self.groups,
            self.d_in,
            self.d_out,
            count,
            bias.is_some(),
        );
        out
    }

    /// Gradient to the input.
    pub(super) fn to_input(self, grad: &CubeTensor, weight: &CubeTensor) -> CubeTensor {
        let Self {
            groups,
            d_in,
            d_out,
        } = self;
        let transposed = empty_like(weight, [groups * d_out, d_in]);
        let count = groups * d_in * d_out;
        let (workgroups, threads) = one_thread_each(&transposed, count);
        transpose::launch(
            &weight.client,
            workgroups,
            threads,
            buffer(weight),
            buffer(&transposed),
            d_in,
            d_out,
            count,
        );
        let back = Self {
            groups,
            d_in: d_out,
            d_out: d_in,
        };
        back.forward(grad, &transposed, None)
    }

    /// Gradient to the weights.
    pub(super) fn to_weight(self, grad: &CubeTensor, x: &CubeTensor) -> CubeTensor {
        let Self {
            groups,
            d_in,
            d_out,
        } = self;
        let (rows, weights) = (dims(x)[0], groups * d_in * d_out);
        let parts = Parts::new(rows, weights);
        let partial = empty_like(x, [parts.count, weights]);
        let count = parts.count * weights;
        let (workgroups, threads) = one_thread_each(&partial, count);
        weight_parts::launch(
            &x.client,
            workgroups,
            threads,
            buffer(x),
            buffer(grad),
            buffer(&partial),
            rows,
            parts.rows,
            groups,
            d_in,
            d_out,
            count,
        );
        let out = empty_like(x, [groups * d_in, d_out]);
        sum_parts(&partial, parts.count, &out);
        out
    }
}
