//! What the layers on norms share: rows cut into tasks, and sums over them in a fixed order.

use super::real::{Real, axpy};
use super::tasks::{rows_per_task, run_all};

/// Gradients of a [`RowNorm`].
pub(crate) struct NormGradients<T> {
    pub(crate) x: Vec<T>,
    pub(crate) gamma: Vec<T>,
    pub(crate) beta: Vec<T>,
}

/// A layer that takes packed rows one by one and has a scale gamma and a shift beta.
pub(crate) trait RowNorm<T: Real>: Sync {
    /// Number of columns.
    fn dim(&self) -> usize;

    /// Lengths of gamma and beta.
    fn affine_lengths(&self) -> [usize; 2];

    /// Sets `out` for some rows.
    fn forward_rows(&self, x: &[T], out: &mut [T]);

    /// Sets the gradient to some rows, given them and the gradient to what becomes of them; adds to
    /// those to gamma and beta.
    fn backward_rows(&self, inputs: [&[T]; 2], to_x: &mut [T], to_affine: &mut [Vec<T>; 2]);

    /// All rows.
    fn forward(&self, x: &[T]) -> Vec<T> {
        let mut out = vec![T::ZERO; x.len()];
        if x.is_empty() {
            return out;
        }
        let per_task = rows_per_task(x.len() / self.dim()) * self.dim();
        let tasks = out.chunks_mut(per_task).zip(x.chunks(per_task));
        run_all(tasks.collect(), |(out, x)| self.forward_rows(x, out));
        out
    }

    /// Gradients to x, gamma and beta.
    fn backward(&self, x: &[T], grad: &[T]) -> NormGradients<T> {
        let affine = || self.affine_lengths().map(|len| vec![T::ZERO; len]);
        let (mut to_x, [mut gamma, mut beta]) = (vec![T::ZERO; x.len()], affine());
        if !x.is_empty() {
            let per_task = rows_per_task(x.len() / self.dim()) * self.dim();
            let inputs = x.chunks(per_task).zip(grad.chunks(per_task));
            let tasks = to_x.chunks_mut(per_task).zip(inputs);
            let parts = run_all(tasks.collect(), |(to_x, (x, grad))| {
                let mut to_affine = affine();
                self.backward_rows([x, grad], to_x, &mut to_affine);
                to_affine
            });
            for [part_gamma, part_beta] in parts {
                axpy(&mut gamma, T::ONE, &part_gamma);
                axpy(&mut beta, T::ONE, &part_beta);
            }
        }
        NormGradients {
            x: to_x,
            gamma,
            beta,
        }
    }
}
