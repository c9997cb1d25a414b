//! One layer of radial networks: linear map, normalization and activation of a tile of rows while it
//! stays in the cache.

use std::ops::Range;

use super::activation;
use super::elementary::Elementary;
use super::matmul::{Matrix, add_product, set_product};
use super::norm::{LayerNorm, Normalise, NormaliseAndKeep, PullBack};
use super::real::axpy;
use super::simd::{Instructions, Loop, dispatch};
use super::tasks::run_all;
use crate::Activation;

/// Numbers of a tile of rows: its inputs, and its outputs twice.
const TILE: usize = 1 << 15;

/// Least number of rows that one task takes.
const TASK_ROWS: usize = 256;

/// Largest number of tasks, hence of partial gradients to the parameters.
const MAX_TASKS: usize = 64;

/// Multiplications below which a second thread costs more than it brings.
const WORTH_THREADS: usize = 1 << 20;

/// `activation(norm(x[:, g] weight[g] + bias[g]))` for `groups` maps of the same size.
#[derive(Clone, Copy)]
pub(crate) struct RadialLayer<'a, T> {
    /// `[rows, groups * d_input]`
    pub(crate) x: &'a [T],
    pub(crate) rows: usize,
    pub(crate) groups: usize,
    pub(crate) d_input: usize,
    pub(crate) d_output: usize,
    /// `[groups * d_input, d_output]`
    pub(crate) weight: &'a [T],
    /// `[groups * d_output]`, or empty
    pub(crate) bias: &'a [T],
    pub(crate) norm: Option<LayerNorm<'a, T>>,
    pub(crate) activation: Activation,
}

/// Which gradients of a radial layer are formed.
#[derive(Clone, Copy, Debug)]
pub struct RadialWanted {
    /// Gradient to the input.
    pub input: bool,
    /// Gradients to weight, bias, gamma and beta.
    pub parameters: bool,
}

/// Gradients to the parameters, shaped as they are.
pub(crate) struct ParameterGradients<T> {
    pub(crate) weight: Vec<T>,
    pub(crate) bias: Vec<T>,
    pub(crate) gamma: Vec<T>,
    pub(crate) beta: Vec<T>,
}

impl<T: Elementary> ParameterGradients<T> {
    fn add(&mut self, other: &Self) {
        axpy(&mut self.weight, T::ONE, &other.weight);
        axpy(&mut self.bias, T::ONE, &other.bias);
        axpy(&mut self.gamma, T::ONE, &other.gamma);
        axpy(&mut self.beta, T::ONE, &other.beta);
    }
}

/// Buffers of the backward pass, for one tile.
struct Buffers<T> {
    /// The result of the linear map; then the normalised numbers.
    linear: Vec<T>,
    /// What the activation reads, if it is not the result of the linear map.
    scaled: Vec<T>,
    inverse_deviations: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Elementary> RadialLayer<'_, T> {
    fn columns_in(&self) -> usize {
        self.groups * self.d_input
    }

    fn columns_out(&self) -> usize {
        self.groups * self.d_output
    }

    /// Rows of a tile. Like [`Self::task_rows`] it depends on sizes only, so that every sum has one
    /// order whatever the number of threads.
    fn tile_rows(&self) -> usize {
        let numbers = self.columns_in() + 2 * self.columns_out();
        let rows = (TILE / numbers.max(1)).clamp(16, TASK_ROWS);
        1 << rows.ilog2()
    }

    /// Rows of a task.
    fn task_rows(&self) -> usize {
        self.rows
            .div_ceil(MAX_TASKS)
            .next_multiple_of(TASK_ROWS)
            .max(TASK_ROWS)
    }

    /// Runs tasks, side by side where there is enough to do.
    fn run<A: Send, R: Send>(&self, tasks: Vec<A>, body: impl Fn(A) -> R + Sync + Send) -> Vec<R> {
        if self.rows * self.d_input * self.columns_out() < WORTH_THREADS {
            tasks.into_iter().map(body).collect()
        } else {
            run_all(tasks, body)
        }
    }

    pub(crate) fn forward(&self) -> Vec<T> {
        let mut out = vec![T::ZERO; self.rows * self.columns_out()];
        let task_len = (self.task_rows() * self.columns_out()).max(1);
        let tasks = out.chunks_mut(task_len).enumerate().collect();
        self.run(tasks, |(task, out)| self.forward_task(task, out));
        out
    }

    fn forward_task(&self, task: usize, out: &mut [T]) {
        let (tile_rows, columns) = (self.tile_rows(), self.columns_out());
        for (tile, out) in out.chunks_mut(tile_rows * columns).enumerate() {
            let first = task * self.task_rows() + tile * tile_rows;
            self.linear(first..first + out.len() / columns, out);
            if let Some(norm) = self.norm {
                dispatch(Normalise { norm, x: out });
            }
            activation::apply(self.activation, out);
        }
    }

    /// The linear maps of some rows.
    fn linear(&self, rows: Range<usize>, out: &mut [T]) {
        let columns = self.columns_out();
        let product = if self.bias.is_empty() {
            set_product
        } else {
            let rows = out.chunks_exact_mut(columns);
            rows.for_each(|row| row.copy_from_slice(self.bias));
            add_product
        };
        for group in 0..self.groups {
            let (x, weight) = (self.inputs(&rows, group), self.weight(group));
            product(&mut out[group * self.d_output..], columns, x, weight);
        }
    }

    fn inputs(&self, rows: &Range<usize>, group: usize) -> Matrix<'_, T> {
        let stride = self.columns_in();
        let first = rows.start * stride + group * self.d_input;
        Matrix::new(&self.x[first..], rows.len(), self.d_input, stride)
    }

    fn weight(&self, group: usize) -> Matrix<'_, T> {
        let first = group * self.d_input * self.d_output;
        Matrix::new(
            &self.weight[first..],
            self.d_input,
            self.d_output,
            self.d_output,
        )
    }

    /// Gradients to the input, empty if not wanted, and to the parameters, zero if not wanted.
    pub(crate) fn backward(
        &self,
        grad: &[T],
        wanted: RadialWanted,
    ) -> (Vec<T>, ParameterGradients<T>) {
        let rows = if wanted.input { self.rows } else { 0 };
        let mut to_x = vec![T::ZERO; rows * self.columns_in()];
        let mut chunks = to_x.chunks_mut((self.task_rows() * self.columns_in()).max(1));
        let tasks: Vec<(usize, &mut [T])> = (0..self.rows)
            .step_by(self.task_rows())
            .map(|first| (first, chunks.next().unwrap_or_default()))
            .collect();
        let parts = self.run(tasks, |(first, to_x)| {
            self.backward_task(first, grad, to_x, wanted)
        });
        let mut sum = self.zero_gradients();
        parts.iter().for_each(|part| sum.add(part));
        (to_x, sum)
    }

    fn zero_gradients(&self) -> ParameterGradients<T> {
        let affine = self.norm.map_or(0, |norm| norm.gamma.len());
        ParameterGradients {
            weight: vec![T::ZERO; self.weight.len()],
            bias: vec![T::ZERO; self.bias.len()],
            gamma: vec![T::ZERO; affine],
            beta: vec![T::ZERO; affine],
        }
    }

    /// Gradients that the rows of the task starting at `first` give.
    fn backward_task(
        &self,
        first: usize,
        grad: &[T],
        to_x: &mut [T],
        wanted: RadialWanted,
    ) -> ParameterGradients<T> {
        let (tile_rows, columns) = (self.tile_rows(), self.columns_out());
        let mut sums = self.zero_gradients();
        let mut buffers = Buffers::new(tile_rows, columns, self.norm);
        let end = (first + self.task_rows()).min(self.rows);
        for start in (first..end).step_by(tile_rows) {
            let rows = start..(start + tile_rows).min(end);
            let grad = &grad[rows.start * columns..rows.end * columns];
            self.pull_back(rows.clone(), grad, &mut buffers, &mut sums);
            let gradient = &buffers.gradient[..grad.len()];
            if wanted.parameters && !self.bias.is_empty() {
                dispatch(AddRows {
                    rows: gradient,
                    sum: &mut sums.bias,
                });
            }
            for group in 0..self.groups {
                let stacked = group * self.d_input * self.d_output;
                let gradient = &gradient[group * self.d_output..];
                let gradient = Matrix::new(gradient, rows.len(), self.d_output, columns);
                if wanted.parameters {
                    let x = self.inputs(&rows, group).transposed();
                    add_product(&mut sums.weight[stacked..], self.d_output, x, gradient);
                }
                if wanted.input {
                    let stride = self.columns_in();
                    let to_x = &mut to_x[(start - first) * stride + group * self.d_input..];
                    set_product(to_x, stride, gradient, self.weight(group).transposed());
                }
            }
        }
        sums
    }

    /// Sets `buffers.gradient` to the gradient to the linear maps' result, which is formed again.
    fn pull_back(
        &self,
        rows: Range<usize>,
        grad: &[T],
        buffers: &mut Buffers<T>,
        sums: &mut ParameterGradients<T>,
    ) {
        let linear = &mut buffers.linear[..grad.len()];
        let gradient = &mut buffers.gradient[..grad.len()];
        gradient.copy_from_slice(grad);
        self.linear(rows, linear);
        let Some(norm) = self.norm else {
            activation::pull_back(self.activation, linear, gradient);
            return;
        };
        let scaled = &mut buffers.scaled[..grad.len()];
        let inverse_deviations = &mut buffers.inverse_deviations[..grad.len() / norm.width];
        dispatch(NormaliseAndKeep {
            norm,
            normal: linear,
            inverse_deviations,
            out: scaled,
        });
        activation::pull_back(self.activation, scaled, gradient);
        dispatch(PullBack {
            norm,
            normal: linear,
            inverse_deviations,
            gradient,
            to_gamma: &mut sums.gamma,
            to_beta: &mut sums.beta,
        });
    }
}

impl<T: Elementary> Buffers<T> {
    fn new(rows: usize, columns: usize, norm: Option<LayerNorm<'_, T>>) -> Self {
        let zeros = |len: usize| vec![T::ZERO; len];
        let runs = norm.map_or(0, |norm| columns / norm.width);
        Self {
            linear: zeros(rows * columns),
            scaled: zeros(if norm.is_some() { rows * columns } else { 0 }),
            inverse_deviations: zeros(rows * runs),
            gradient: zeros(rows * columns),
        }
    }
}

/// `sum += row` for all rows.
struct AddRows<'a, T> {
    rows: &'a [T],
    sum: &'a mut [T],
}

impl<T: Elementary> Loop for AddRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        for row in self.rows.chunks_exact(self.sum.len()) {
            axpy(self.sum, T::ONE, row);
        }
    }
}
