//! The linear map on the channels of each irrep, on packed rows read where they lie.
//!
//! Each component of a block is a strided matrix `[rows, mul]`; nothing is gathered, joined or copied.

use steerable_harmonics::plan::{Block, blocks};
use steerable_irreps::Irreps;

use super::matmul::{Matrix, add_product};
use super::real::{Real, axpy};
use super::tasks::{rows_per_task, run_all, split_mut};

/// Which channels a linear map joins, and where their weights stand.
///
/// Each output block has a matrix `[fan_in, mul]`, whose rows are the input channels of the same irrep
/// in the order of the input. The matrices follow each other in the order of the output.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearPlan {
    maps: Vec<LinearMap>,
    /// Invariant output blocks, each with channels.
    scalars: Vec<Block>,
    dim_in: usize,
    dim_out: usize,
    num_weights: usize,
}

/// All that one input block gives to one output block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearMap {
    /// Where the features are read.
    pub input: Block,
    /// Where they are summed.
    pub output: Block,
    /// First weight of the matrix `[input.mul, output.mul]`.
    pub first_weight: usize,
}

impl LinearPlan {
    /// The plan of all maps between channels of the same irrep.
    pub fn new(irreps_in: &Irreps, irreps_out: &Irreps) -> Self {
        let mut maps = Vec::new();
        let mut num_weights = 0;
        for (output, (mul_out, irrep_out)) in blocks(irreps_out) {
            for (input, (mul_in, irrep_in)) in blocks(irreps_in) {
                if irrep_in == irrep_out && mul_in * mul_out > 0 {
                    maps.push(LinearMap {
                        input,
                        output,
                        first_weight: num_weights,
                    });
                    num_weights += mul_in * mul_out;
                }
            }
        }
        Self {
            maps,
            scalars: blocks(irreps_out)
                .filter(|(block, (_, irrep))| irrep.is_scalar() && block.mul > 0)
                .map(|(block, _)| block)
                .collect(),
            dim_in: irreps_in.dim(),
            dim_out: irreps_out.dim(),
            num_weights,
        }
    }

    /// The maps, ordered by output block, then input block.
    pub fn maps(&self) -> &[LinearMap] {
        &self.maps
    }

    /// The invariant output blocks, whose channels the bias is added to.
    pub fn scalars(&self) -> &[Block] {
        &self.scalars
    }

    /// Number of columns of the input.
    pub fn dim_in(&self) -> usize {
        self.dim_in
    }

    /// Number of columns of the output.
    pub fn dim_out(&self) -> usize {
        self.dim_out
    }

    /// Number of weights.
    pub fn num_weights(&self) -> usize {
        self.num_weights
    }

    /// Number of invariant output channels: the length of the bias.
    pub fn num_scalars(&self) -> usize {
        self.scalars.iter().map(|block| block.mul).sum()
    }

    /// Whether the input can be cut before a column: no map reads from both sides.
    pub(crate) fn can_be_cut_at(&self, column: usize) -> bool {
        self.maps
            .iter()
            .all(|map| map.input.offset >= column || map.input.columns().end <= column)
    }
}

/// One linear map of rows that may come in two pieces.
#[derive(Clone, Copy)]
pub(crate) struct SteerableLinear<'a, T> {
    pub(crate) plan: &'a LinearPlan,
    /// The columns of the input, cut in two: `[N, widths[0]]`, `[N, widths[1]]`.
    pub(crate) inputs: [&'a [T]; 2],
    pub(crate) widths: [usize; 2],
    /// `[num_weights]`
    pub(crate) weight: &'a [T],
    /// `[num_scalars]`, or empty
    pub(crate) bias: &'a [T],
    pub(crate) rows: usize,
}

/// Which gradients are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearWanted {
    /// To the first columns of the input.
    pub x: bool,
    /// To the other columns of the input.
    pub beside: bool,
    /// To the weights.
    pub weight: bool,
    /// To the bias.
    pub bias: bool,
}

/// Gradients of a [`SteerableLinear`]; empty where not wanted.
pub(crate) struct Gradients<T> {
    pub(crate) inputs: [Vec<T>; 2],
    pub(crate) weight: Vec<T>,
    pub(crate) bias: Vec<T>,
}

/// What the gradients of one task are summed into.
struct Task<'a, T> {
    first_row: usize,
    /// Columns of the gradient to the output.
    grad: &'a [T],
    /// Rows of the gradients to the inputs, empty where not wanted.
    inputs: [&'a mut [T]; 2],
}

impl<'a, T: Real> SteerableLinear<'a, T> {
    /// The piece of the input that a map reads, and its first column there.
    fn piece(&self, map: &LinearMap) -> (usize, usize) {
        match map.input.offset.checked_sub(self.widths[0]) {
            Some(offset) => (1, offset),
            None => (0, map.input.offset),
        }
    }

    fn weight_of(&self, map: &LinearMap) -> Matrix<'a, T> {
        let (mul_in, mul_out) = (map.input.mul, map.output.mul);
        Matrix::new(&self.weight[map.first_weight..], mul_in, mul_out, mul_out)
    }

    /// Component `m` of the channels that a map reads, from `rows` rows on.
    fn input_of(&self, map: &LinearMap, m: usize, [first_row, rows]: [usize; 2]) -> Matrix<'a, T> {
        let (piece, offset) = self.piece(map);
        let (mul, stride) = (map.input.mul, self.widths[piece]);
        let first = first_row * stride + offset + m * mul;
        Matrix::new(&self.inputs[piece][first..], rows, mul, stride)
    }

    pub(crate) fn forward(&self) -> Vec<T> {
        let dim = self.plan.dim_out;
        let mut out = vec![T::ZERO; self.rows * dim];
        if dim == 0 {
            return out;
        }
        let per_task = rows_per_task(self.rows);
        let tasks = out.chunks_mut(per_task * dim).enumerate();
        run_all(tasks.collect(), |(task, out)| {
            self.map_rows(task * per_task, out);
        });
        out
    }

    fn map_rows(&self, first_row: usize, out: &mut [T]) {
        let dim = self.plan.dim_out;
        let rows = out.len() / dim;
        if !self.bias.is_empty() {
            for row in out.chunks_exact_mut(dim) {
                let mut first = 0;
                for block in &self.plan.scalars {
                    row[block.columns()].copy_from_slice(&self.bias[first..first + block.mul]);
                    first += block.mul;
                }
            }
        }
        for map in &self.plan.maps {
            for m in 0..2 * map.output.l + 1 {
                let out = &mut out[map.output.offset + m * map.output.mul..];
                let input = self.input_of(map, m, [first_row, rows]);
                add_product(out, dim, input, self.weight_of(map));
            }
        }
    }

    pub(crate) fn backward(&self, grad: &[T], wanted: LinearWanted) -> Gradients<T> {
        let dim = self.plan.dim_out;
        let len = |wanted: bool, len: usize| if wanted { len } else { 0 };
        let zeros = |len: usize| vec![T::ZERO; len];
        let mut gradients = Gradients {
            inputs: [
                zeros(len(wanted.x, self.inputs[0].len())),
                zeros(len(wanted.beside, self.inputs[1].len())),
            ],
            weight: zeros(len(wanted.weight, self.weight.len())),
            bias: zeros(len(wanted.bias, self.bias.len())),
        };
        if grad.is_empty() {
            return gradients;
        }
        let per_task = rows_per_task(self.rows);
        let grads = grad.chunks(per_task * dim);
        let rows = || grads.clone().map(|grad| grad.len() / dim);
        let [x, beside] = &mut gradients.inputs;
        let x = split_mut(x, rows().map(|rows| len(wanted.x, rows * self.widths[0])));
        let beside = split_mut(
            beside,
            rows().map(|rows| len(wanted.beside, rows * self.widths[1])),
        );
        let tasks = grads
            .clone()
            .zip(x.into_iter().zip(beside))
            .enumerate()
            .map(|(task, (grad, (x, beside)))| Task {
                first_row: task * per_task,
                grad,
                inputs: [x, beside],
            });
        let parts = run_all(tasks.collect(), |task| self.pull_back(task, wanted));
        for (weight, bias) in parts {
            axpy(&mut gradients.weight, T::ONE, &weight);
            axpy(&mut gradients.bias, T::ONE, &bias);
        }
        gradients
    }

    /// Writes the gradients to the inputs; gives those of the weights and the bias.
    fn pull_back(&self, task: Task<'_, T>, wanted: LinearWanted) -> (Vec<T>, Vec<T>) {
        let Task {
            first_row,
            grad,
            inputs,
        } = task;
        let dim = self.plan.dim_out;
        let rows = grad.len() / dim;
        let wants = [wanted.x, wanted.beside];
        let mut to_weight = vec![T::ZERO; if wanted.weight { self.weight.len() } else { 0 }];
        for map in &self.plan.maps {
            let (mul_in, mul_out) = (map.input.mul, map.output.mul);
            let (piece, offset) = self.piece(map);
            for m in 0..2 * map.output.l + 1 {
                let first = map.output.offset + m * mul_out;
                let grad = Matrix::new(&grad[first..], rows, mul_out, dim);
                if wants[piece] {
                    let to_input = &mut inputs[piece][offset + m * mul_in..];
                    let weight = self.weight_of(map).transposed();
                    add_product(to_input, self.widths[piece], grad, weight);
                }
                if wanted.weight {
                    let input = self.input_of(map, m, [first_row, rows]).transposed();
                    add_product(&mut to_weight[map.first_weight..], mul_out, input, grad);
                }
            }
        }
        let mut to_bias = vec![T::ZERO; if wanted.bias { self.bias.len() } else { 0 }];
        if !to_bias.is_empty() {
            for grad in grad.chunks_exact(dim) {
                let mut first = 0;
                for block in &self.plan.scalars {
                    let to_bias = &mut to_bias[first..first + block.mul];
                    axpy(to_bias, T::ONE, &grad[block.columns()]);
                    first += block.mul;
                }
            }
        }
        (to_weight, to_bias)
    }
}
