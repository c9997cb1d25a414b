//! Several linear maps side by side: a block-diagonal matrix, never formed.

use rayon::prelude::*;

use super::matmul::{Matrix, add_product};
use super::real::{Real, axpy};

/// Rows below which a second thread costs more than it brings.
const ROWS_PER_THREAD: usize = 256;

/// `out[:, g] = x[:, g] weight[g] + bias[g]` for `groups` maps of the same size.
#[derive(Clone, Copy)]
pub(crate) struct GroupedLinear<'a, T> {
    pub(crate) groups: usize,
    pub(crate) d_input: usize,
    pub(crate) d_output: usize,
    /// `[groups * d_input, d_output]`
    pub(crate) weight: &'a [T],
    /// `[groups * d_output]`, or empty
    pub(crate) bias: &'a [T],
}

impl<'a, T: Real> GroupedLinear<'a, T> {
    fn columns_in(&self) -> usize {
        self.groups * self.d_input
    }

    fn columns_out(&self) -> usize {
        self.groups * self.d_output
    }

    fn rows_per_task(&self, rows: usize) -> usize {
        let tasks = (rows / ROWS_PER_THREAD).clamp(1, rayon::current_num_threads());
        rows.div_ceil(tasks).max(1)
    }

    fn weight_of(&self, group: usize) -> Matrix<'a, T> {
        let first = group * self.d_input * self.d_output;
        Matrix::new(
            &self.weight[first..],
            self.d_input,
            self.d_output,
            self.d_output,
        )
    }

    fn columns_of<'x>(&self, x: &'x [T], group: usize, width: usize) -> Matrix<'x, T> {
        let stride = self.groups * width;
        Matrix::new(&x[group * width..], x.len() / stride, width, stride)
    }

    pub(crate) fn forward(&self, x: &[T], rows: usize) -> Vec<T> {
        let (columns_in, columns_out) = (self.columns_in(), self.columns_out());
        let mut out = vec![T::ZERO; rows * columns_out];
        let per_task = self.rows_per_task(rows);
        out.par_chunks_mut(per_task * columns_out)
            .zip(x.par_chunks(per_task * columns_in))
            .for_each(|(out, x)| {
                if !self.bias.is_empty() {
                    out.chunks_exact_mut(columns_out)
                        .for_each(|row| row.copy_from_slice(self.bias));
                }
                for group in 0..self.groups {
                    let x = self.columns_of(x, group, self.d_input);
                    let out = &mut out[group * self.d_output..];
                    add_product(out, columns_out, x, self.weight_of(group));
                }
            });
        out
    }

    /// Gradients to x, weight and bias.
    pub(crate) fn backward(&self, x: &[T], grad: &[T], rows: usize) -> (Vec<T>, Vec<T>, Vec<T>) {
        let (columns_in, columns_out) = (self.columns_in(), self.columns_out());
        let mut to_x = vec![T::ZERO; rows * columns_in];
        let per_task = self.rows_per_task(rows);
        let parts: Vec<(Vec<T>, Vec<T>)> = to_x
            .par_chunks_mut(per_task * columns_in)
            .zip(
                x.par_chunks(per_task * columns_in)
                    .zip(grad.par_chunks(per_task * columns_out)),
            )
            .map(|(to_x, (x, grad))| {
                let mut to_weight = vec![T::ZERO; self.weight.len()];
                for group in 0..self.groups {
                    let grad = self.columns_of(grad, group, self.d_output);
                    let x = self.columns_of(x, group, self.d_input).transposed();
                    let to_x = &mut to_x[group * self.d_input..];
                    add_product(to_x, columns_in, grad, self.weight_of(group).transposed());
                    let to_weight = &mut to_weight[group * self.d_input * self.d_output..];
                    add_product(to_weight, self.d_output, x, grad);
                }
                let mut to_bias = vec![T::ZERO; self.bias.len()];
                if !to_bias.is_empty() {
                    grad.chunks_exact(columns_out)
                        .for_each(|row| axpy(&mut to_bias, T::ONE, row));
                }
                (to_weight, to_bias)
            })
            .collect();
        let mut to_weight = vec![T::ZERO; self.weight.len()];
        let mut to_bias = vec![T::ZERO; self.bias.len()];
        for (weight, bias) in parts {
            axpy(&mut to_weight, T::ONE, &weight);
            axpy(&mut to_bias, T::ONE, &bias);
        }
        (to_x, to_weight, to_bias)
    }
}
