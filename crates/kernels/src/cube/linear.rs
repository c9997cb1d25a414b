//! Steerable linear maps: one thread for each column of a few rows.

use std::sync::Arc;

use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::sums::{Parts, sum_parts};
use super::{buffer, dims, empty_like, has_kernels, one_thread_each, row_major, upload, zeros};
use crate::ops::linear::{linear_backward_on_host, linear_on_host};
use crate::{LinearMap, LinearOps, LinearPlan, LinearWanted};

/// Rows that a thread takes, so that it reads a weight once for all of them.
const ROWS: usize = 4;
/// Words of a column.
const WORDS: usize = 4;
/// Words of an entry of its list.
const ENTRY: usize = 5;

/// `out[r, c] = bias + sum over the entries of c, and over k, of x[r, entry + k] weight[..]`.
///
/// `columns` has [`WORDS`] words for each column: where its list begins and ends, its channel, and one
/// more than the number of its bias, or 0. An entry has [`ENTRY`] words: the first column that is read,
/// how many, the first weight of channel 0, and how far apart are the weights of neighbouring channels and
/// those of neighbouring columns. Columns from `cut` on are those of `beside`.
#[cube(launch)]
fn maps(
    x: &[f32],
    beside: &[f32],
    weight: &[f32],
    bias: &[f32],
    columns: &[u32],
    out: &mut [f32],
    rows: usize,
    width: usize,
    cut: usize,
    beside_width: usize,
    count: usize,
    #[comptime] has_bias: bool,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let column = ABSOLUTE_POS % width;
    let first = ABSOLUTE_POS / width * ROWS;
    let own = column * WORDS;
    let channel = columns[own + 2] as usize;
    let mut sums = Array::<f32>::new(ROWS);
    #[unroll]
    for i in 0..ROWS {
        sums[i] = 0.0;
    }
    if comptime!(has_bias) {
        let number = columns[own + 3] as usize;
        if number > 0 {
            #[unroll]
            for i in 0..ROWS {
                sums[i] = bias[number - 1];
            }
        }
    }
    let mut entry = columns[own] as usize;
    while entry < columns[own + 1] as usize {
        let from = columns[entry] as usize;
        let last = from + columns[entry + 1] as usize;
        let step = columns[entry + 4] as usize;
        let mut at = columns[entry + 2] as usize + channel * columns[entry + 3] as usize;
        for k in from..last {
            let factor = weight[at];
            at += step;
            #[unroll]
            for i in 0..ROWS {
                let row = (first + i).min(rows - 1);
                if from < cut {
                    sums[i] += x[row * cut + k] * factor;
                } else {
                    sums[i] += beside[row * beside_width + k - cut] * factor;
                }
            }
        }
        entry += ENTRY;
    }
    #[unroll]
    for i in 0..ROWS {
        if first + i < rows {
            out[(first + i) * width + column] = sums[i];
        }
    }
}

/// Gradient of one map's weights over the rows of each part.
#[cube(launch)]
fn weight_parts(
    x: &[f32],
    grad: &[f32],
    out: &mut [f32],
    rows: usize,
    rows_per_part: usize,
    x_width: usize,
    x_column: usize,
    mul_in: usize,
    grad_width: usize,
    grad_column: usize,
    mul_out: usize,
    components: usize,
    first_weight: usize,
    num_weights: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let weights = mul_in * mul_out;
    let part = ABSOLUTE_POS / weights;
    let own = ABSOLUTE_POS % weights;
    let input = x_column + own / mul_out;
    let output = grad_column + own % mul_out;
    let first = part * rows_per_part;
    let mut sum = 0.0f32;
    for row in first..(first + rows_per_part).min(rows) {
        for m in 0..components {
            let x = x[row * x_width + input + m * mul_in];
            sum += x * grad[row * grad_width + output + m * mul_out];
        }
    }
    out[part * num_weights + first_weight + own] = sum;
}

/// Gradient of the bias over the rows of each part; `columns` are those that the biases are added to.
#[cube(launch)]
fn bias_parts(
    grad: &[f32],
    columns: &[u32],
    out: &mut [f32],
    rows: usize,
    rows_per_part: usize,
    width: usize,
    biases: usize,
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let first = ABSOLUTE_POS / biases * rows_per_part;
    let column = columns[ABSOLUTE_POS % biases] as usize;
    let mut sum = 0.0f32;
    for row in first..(first + rows_per_part).min(rows) {
        sum += grad[row * width + column];
    }
    out[ABSOLUTE_POS] = sum;
}

/// The two ways through a map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Backward,
}

/// What [`maps`] reads for columns `first..first + width` of the output, or of the input on the way
/// back.
fn columns(plan: &LinearPlan, way: Way, first: usize, width: usize) -> Vec<u32> {
    let mut words = vec![0_usize; width * WORDS];
    if way == Way::Forward {
        for (number, column) in scalar_columns(plan).into_iter().enumerate() {
            words[column * WORDS + 3] = number + 1;
        }
    }
    for column in 0..width {
        words[column * WORDS] = words.len();
        for map in plan.maps() {
            let LinearMap {
                input,
                output,
                first_weight,
            } = *map;
            let (written, read) = match way {
                Way::Forward => (output, input),
                Way::Backward => (input, output),
            };
            if !written.columns().contains(&(first + column)) {
                continue;
            }
            let inside = first + column - written.offset;
            let (m, channel) = (inside / written.mul, inside % written.mul);
            words[column * WORDS + 2] = channel;
            // Weights are `[c_in, c_out]`.
            let (of_channel, of_read) = match way {
                Way::Forward => (1, output.mul),
                Way::Backward => (output.mul, 1),
            };
            words.extend([
                read.offset + m * read.mul,
                read.mul,
                first_weight,
                of_channel,
                of_read,
            ]);
        }
        words[column * WORDS + 1] = words.len();
    }
    words
        .into_iter()
        .map(|word| u32::try_from(word).expect("a plan's columns fit 32 bits"))
        .collect()
}

/// The columns that biases are added to.
fn scalar_columns(plan: &LinearPlan) -> Vec<usize> {
    let blocks = plan.scalars().iter();
    blocks.flat_map(|block| block.columns()).collect()
}

/// Launches [`maps`] for `width` columns that read x and what stands beside it.
fn launch_maps(
    [x, beside]: [&CubeTensor; 2],
    weight: &CubeTensor,
    bias: Option<&CubeTensor>,
    words: &[u32],
    width: usize,
) -> CubeTensor {
    let rows = dims(x)[0];
    let out = empty_like(x, [rows, width]);
    let columns = upload(x, words);
    let count = rows.div_ceil(ROWS) * width;
    let (groups, threads) = one_thread_each(&out, count);
    // Instead of what is empty the kernel binds something it does not read.
    let full = |tensor| some_numbers(tensor).unwrap_or(weight);
    maps::launch(
        &out.client,
        groups,
        threads,
        buffer(full(x)),
        buffer(full(beside)),
        buffer(weight),
        buffer(bias.unwrap_or(weight)),
        buffer(&columns),
        buffer(&out),
        rows,
        width,
        dims(x)[1],
        dims(beside)[1],
        count,
        bias.is_some(),
    );
    out
}

/// A tensor, if it is not empty.
fn some_numbers(tensor: &CubeTensor) -> Option<&CubeTensor> {
    (tensor.meta.num_elements() > 0).then_some(tensor)
}

/// The tensors of one linear map, row-major.
struct Linear<'a> {
    plan: &'a LinearPlan,
    inputs: [CubeTensor; 2],
    weight: CubeTensor,
    bias: CubeTensor,
}

impl<'a> Linear<'a> {
    fn new(tensors: [CubeTensor; 4], plan: &'a LinearPlan) -> Self {
        let [x, beside, weight, bias] = row_major(tensors);
        Self {
            plan,
            inputs: [x, beside],
            weight,
            bias,
        }
    }

    fn rows(&self) -> usize {
        dims(&self.inputs[0])[0]
    }

    fn widths(&self) -> [usize; 2] {
        self.inputs.each_ref().map(|input| dims(input)[1])
    }

    fn forward(&self) -> CubeTensor {
        let width = self.plan.dim_out();
        let words = columns(self.plan, Way::Forward, 0, width);
        let [x, beside] = &self.inputs;
        let bias = some_numbers(&self.bias);
        launch_maps([x, beside], &self.weight, bias, &words, width)
    }

    fn to_input(&self, grad: &CubeTensor, piece: usize) -> CubeTensor {
        let widths = self.widths();
        let (first, width) = ([0, widths[0]][piece], widths[piece]);
        if width == 0 {
            return zeros(grad, [self.rows(), 0]);
        }
        let words = columns(self.plan, Way::Backward, first, width);
        launch_maps([grad, grad], &self.weight, None, &words, width)
    }

    fn to_weight(&self, grad: &CubeTensor) -> CubeTensor {
        let weights = self.plan.num_weights();
        let parts = Parts::new(self.rows(), weights);
        // Every weight belongs to one map: all numbers are written.
        let partial = empty_like(grad, [parts.count, weights]);
        let cut = self.widths()[0];
        for map in self.plan.maps() {
            let (piece, column) = match map.input.offset.checked_sub(cut) {
                Some(column) => (1, column),
                None => (0, map.input.offset),
            };
            let count = parts.count * map.input.mul * map.output.mul;
            let (groups, threads) = one_thread_each(&partial, count);
            weight_parts::launch(
                &partial.client,
                groups,
                threads,
                buffer(&self.inputs[piece]),
                buffer(grad),
                buffer(&partial),
                self.rows(),
                parts.rows,
                self.widths()[piece],
                column,
                map.input.mul,
                self.plan.dim_out(),
                map.output.offset,
                map.output.mul,
                2 * map.output.l + 1,
                map.first_weight,
                weights,
                count,
            );
        }
        let out = empty_like(grad, [weights]);
        sum_parts(&partial, parts.count, &out);
        out
    }

    fn to_bias(&self, grad: &CubeTensor) -> CubeTensor {
        let biases = self.bias.meta.num_elements();
        let parts = Parts::new(self.rows(), biases);
        let partial = empty_like(grad, [parts.count, biases]);
        let words: Vec<u32> = scalar_columns(self.plan)
            .iter()
            .map(|&c| c as u32)
            .collect();
        let count = parts.count * biases;
        let (groups, threads) = one_thread_each(&partial, count);
        bias_parts::launch(
            &partial.client,
            groups,
            threads,
            buffer(grad),
            buffer(&upload(grad, &words)),
            buffer(&partial),
            self.rows(),
            parts.rows,
            self.plan.dim_out(),
            biases,
            count,
        );
        let out = empty_like(grad, [biases]);
        sum_parts(&partial, parts.count, &out);
        out
    }
}

impl LinearOps for CubeBackend {
    fn steerable_linear(
        x: CubeTensor,
        beside: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        plan: Arc<LinearPlan>,
    ) -> CubeTensor {
        let tensors = [x, beside, weight, bias];
        if !has_kernels(tensors[0].dtype) || plan.num_weights() == 0 {
            return linear_on_host::<Self>(tensors, &plan);
        }
        let linear = Linear::new(tensors, &plan);
        match linear.rows() {
            0 => zeros(&linear.weight, [0, plan.dim_out()]),
            _ => linear.forward(),
        }
    }

    fn steerable_linear_backward(
        grad: CubeTensor,
        x: CubeTensor,
        beside: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        plan: Arc<LinearPlan>,
        wanted: LinearWanted,
    ) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
        let tensors = [x, beside, weight, bias];
        if !has_kernels(tensors[0].dtype) || dims(&grad)[0] * plan.num_weights() == 0 {
            return linear_backward_on_host::<Self>(grad, tensors, &plan, wanted);
        }
        let [grad] = row_major([grad]);
        let linear = Linear::new(tensors, &plan);
        let to_input = |wanted: bool, piece: usize| match wanted {
            true => linear.to_input(&grad, piece),
            false => zeros(&grad, [0, linear.widths()[piece]]),
        };
        let to_weight = match wanted.weight {
            true => linear.to_weight(&grad),
            false => zeros(&grad, [0]),
        };
        let to_bias = match wanted.bias && linear.bias.meta.num_elements() > 0 {
            true => linear.to_bias(&grad),
            false => zeros(&grad, [0]),
        };
        (
            to_input(wanted.x, 0),
            to_input(wanted.beside, 1),
            to_weight,
            to_bias,
        )
    }
}
