//! The gated non-linearity, tile by tile.

use steerable_harmonics::plan::{Block, blocks};
use steerable_irreps::Irreps;

use super::activation;
use super::elementary::Elementary;
use super::norm_plan::TileBlock;
use super::simd::{Instructions, Loop, dispatch};
use super::tasks::{rows_per_task, run_all};
use crate::Activation;

/// Rows of a tile.
const TILE: usize = 32;

/// An activation and what its value is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaledActivation {
    /// The activation.
    pub activation: Activation,
    /// The factor.
    pub scale: f64,
}

/// How a gate reads its rows (scalars, gates, gated) and writes them (scalars, gated).
#[derive(Clone, Debug, PartialEq)]
pub struct GatePlan {
    scalars: Vec<(Block, ScaledActivation)>,
    /// One for each gated channel.
    gates: Block,
    gate: ScaledActivation,
    /// Where gated blocks are read.
    gated: Vec<Block>,
    dim_in: usize,
}

impl GatePlan {
    /// The plan for these irreps; `activation` gives the activation of each block of scalars.
    ///
    /// # Panics
    /// When `scalars` holds a higher degree or does not have one activation for each block.
    pub fn new(
        scalars: &Irreps,
        gated: &Irreps,
        activations: &[ScaledActivation],
        gate: ScaledActivation,
    ) -> Self {
        assert!(
            scalars.lmax().unwrap_or(0) == 0 && activations.len() == scalars.len(),
            "GatePlan: {} activations for \"{scalars}\"",
            activations.len()
        );
        let gates = Block {
            offset: scalars.dim(),
            mul: gated.num_irreps(),
            l: 0,
        };
        let after = gates.columns().end;
        Self {
            scalars: blocks(scalars)
                .map(|(block, _)| block)
                .zip(activations.iter().copied())
                .filter(|(block, _)| block.mul > 0)
                .collect(),
            gates,
            gate,
            gated: blocks(gated)
                .map(|(block, _)| Block {
                    offset: block.offset + after,
                    ..block
                })
                .filter(|block| block.mul > 0)
                .collect(),
            dim_in: after + gated.dim(),
        }
    }

    /// Number of columns of the input.
    pub fn dim_in(&self) -> usize {
        self.dim_in
    }

    /// Number of columns of the output.
    pub fn dim_out(&self) -> usize {
        self.dim_in - self.gates.mul
    }

    /// The blocks of scalars with channels, at the same place in input and output.
    pub fn scalars(&self) -> &[(Block, ScaledActivation)] {
        &self.scalars
    }

    /// Where the gates are read: one for each gated channel.
    pub fn gates(&self) -> Block {
        self.gates
    }

    /// What is applied to the gates.
    pub fn gate(&self) -> ScaledActivation {
        self.gate
    }

    /// Where the gated blocks with channels are read. Each is written `gates().mul` columns before.
    pub fn gated(&self) -> &[Block] {
        &self.gated
    }

    /// Where a gated block is read and written, and its first gate.
    fn gated_blocks(&self) -> impl Iterator<Item = (TileBlock, TileBlock, usize)> {
        self.gated.iter().scan(0, |first_gate, &block| {
            let own = *first_gate;
            *first_gate += block.mul;
            let written = Block {
                offset: block.offset - self.gates.mul,
                ..block
            };
            let (stride_in, stride_out) = (self.dim_in(), self.dim_out());
            let read = TileBlock {
                block,
                stride: stride_in,
            };
            let written = TileBlock {
                block: written,
                stride: stride_out,
            };
            Some((read, written, own))
        })
    }

    fn widest(&self) -> usize {
        let scalars = self.scalars.iter().map(|(block, _)| block.mul);
        scalars.max().unwrap_or(0).max(self.gates.mul)
    }

    pub(crate) fn forward<T: Elementary>(&self, x: &[T]) -> Vec<T> {
        let (dim_in, dim_out) = (self.dim_in(), self.dim_out());
        let rows = x.len() / dim_in.max(1);
        let mut out = vec![T::ZERO; rows * dim_out];
        if out.is_empty() {
            return out;
        }
        let per_task = rows_per_task(rows);
        let inputs = x.chunks(per_task * dim_in);
        let tasks = out.chunks_mut(per_task * dim_out).zip(inputs);
        run_all(tasks.collect(), |(out, x)| {
            let mut buffer = vec![T::ZERO; TILE * self.widest()];
            let tiles = out.chunks_mut(TILE * dim_out).zip(x.chunks(TILE * dim_in));
            for (out, x) in tiles {
                self.forward_tile(x, out, &mut buffer);
            }
        });
        out
    }

    fn forward_tile<T: Elementary>(&self, x: &[T], out: &mut [T], buffer: &mut [T]) {
        let (dim_in, dim_out) = (self.dim_in(), self.dim_out());
        for &(block, function) in &self.scalars {
            let values = read_columns(x, dim_in, block, buffer);
            function.apply(values);
            write_columns(values, block, dim_out, out);
        }
        let gates = read_columns(x, dim_in, self.gates, buffer);
        self.gate.apply(gates);
        for (read, written, first_gate) in self.gated_blocks() {
            dispatch(Scale {
                read,
                written,
                gates,
                num_gates: self.gates.mul,
                first_gate,
                x,
                out,
            });
        }
    }

    /// Gradient to the input.
    pub(crate) fn backward<T: Elementary>(&self, x: &[T], grad: &[T]) -> Vec<T> {
        let (dim_in, dim_out) = (self.dim_in(), self.dim_out());
        let mut to_x = vec![T::ZERO; x.len()];
        if grad.is_empty() {
            return to_x;
        }
        let per_task = rows_per_task(x.len() / dim_in);
        let inputs = x.chunks(per_task * dim_in);
        let inputs = inputs.zip(grad.chunks(per_task * dim_out));
        let tasks = to_x.chunks_mut(per_task * dim_in).zip(inputs);
        run_all(tasks.collect(), |(to_x, (x, grad))| {
            let mut buffers = [(); 3].map(|()| vec![T::ZERO; TILE * self.widest()]);
            let inputs = x.chunks(TILE * dim_in).zip(grad.chunks(TILE * dim_out));
            for (to_x, (x, grad)) in to_x.chunks_mut(TILE * dim_in).zip(inputs) {
                self.backward_tile(x, grad, to_x, &mut buffers);
            }
        });
        to_x
    }

    fn backward_tile<T: Elementary>(
        &self,
        x: &[T],
        grad: &[T],
        to_x: &mut [T],
        [values, activated, to_values]: &mut [Vec<T>; 3],
    ) {
        let (dim_in, dim_out) = (self.dim_in(), self.dim_out());
        for &(block, function) in &self.scalars {
            let values = read_columns(x, dim_in, block, values);
            let to_values = read_columns(grad, dim_out, block, to_values);
            function.pull_back(values, to_values);
            write_columns(to_values, block, dim_in, to_x);
        }
        let values = read_columns(x, dim_in, self.gates, values);
        let gates = &mut activated[..values.len()];
        gates.copy_from_slice(values);
        self.gate.apply(gates);
        let to_gates = &mut to_values[..values.len()];
        for (read, written, first_gate) in self.gated_blocks() {
            dispatch(PullBackScale {
                read,
                written,
                gates,
                to_gates,
                num_gates: self.gates.mul,
                first_gate,
                x,
                grad,
                to_x,
            });
        }
        self.gate.pull_back(values, to_gates);
        write_columns(to_gates, self.gates, dim_in, to_x);
    }
}

impl ScaledActivation {
    fn apply<T: Elementary>(self, x: &mut [T]) {
        activation::apply(self.activation, x);
        self.rescale(x);
    }

    fn pull_back<T: Elementary>(self, x: &[T], gradient: &mut [T]) {
        activation::pull_back(self.activation, x, gradient);
        self.rescale(gradient);
    }

    fn rescale<T: Elementary>(self, x: &mut [T]) {
        let scale = T::of(self.scale);
        if scale != T::ONE {
            x.iter_mut().for_each(|x| *x = *x * scale);
        }
    }
}

/// Copies one component of all rows to the front of a buffer.
fn read_columns<'b, T: Elementary>(
    x: &[T],
    stride: usize,
    block: Block,
    buffer: &'b mut [T],
) -> &'b mut [T] {
    let buffer = &mut buffer[..x.len() / stride * block.mul];
    if block.mul > 0 {
        let rows = buffer.chunks_exact_mut(block.mul);
        for (to, row) in rows.zip(x.chunks_exact(stride)) {
            to.copy_from_slice(&row[block.columns()]);
        }
    }
    buffer
}

fn write_columns<T: Elementary>(values: &[T], block: Block, stride: usize, out: &mut [T]) {
    if block.mul > 0 {
        let rows = values.chunks_exact(block.mul);
        for (from, row) in rows.zip(out.chunks_exact_mut(stride)) {
            row[block.columns()].copy_from_slice(from);
        }
    }
}

/// `out = gate x`.
struct Scale<'a, T> {
    read: TileBlock,
    written: TileBlock,
    /// `[rows, num_gates]`
    gates: &'a [T],
    num_gates: usize,
    first_gate: usize,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Elementary> Loop for Scale<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        for (row, gates) in self.gates.chunks_exact(self.num_gates).enumerate() {
            let gates = &gates[self.first_gate..][..self.read.block.mul];
            for m in 0..self.read.components() {
                let x = self.x[self.read.channels(row, m)].iter().zip(gates);
                let out = &mut self.out[self.written.channels(row, m)];
                for (out, (&x, &gate)) in out.iter_mut().zip(x) {
                    *out = x * gate;
                }
            }
        }
    }
}

/// The transpose of the derivative of [`Scale`].
struct PullBackScale<'a, T> {
    read: TileBlock,
    written: TileBlock,
    /// `[rows, num_gates]`
    gates: &'a [T],
    /// `[rows, num_gates]`; those of this block are written.
    to_gates: &'a mut [T],
    num_gates: usize,
    first_gate: usize,
    x: &'a [T],
    grad: &'a [T],
    to_x: &'a mut [T],
}

impl<T: Elementary> Loop for PullBackScale<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let mul = self.read.block.mul;
        let rows = self.gates.chunks_exact(self.num_gates);
        let rows = rows.zip(self.to_gates.chunks_exact_mut(self.num_gates));
        for (row, (gates, to_gates)) in rows.enumerate() {
            let gates = &gates[self.first_gate..][..mul];
            let to_gates = &mut to_gates[self.first_gate..][..mul];
            to_gates.fill(T::ZERO);
            for m in 0..self.read.components() {
                let columns = self.read.channels(row, m);
                let inputs = self.x[columns.clone()]
                    .iter()
                    .zip(&self.grad[self.written.channels(row, m)]);
                let outputs = self.to_x[columns].iter_mut().zip(&mut *to_gates);
                for (((to_x, to_gate), &gate), (&x, &grad)) in outputs.zip(gates).zip(inputs) {
                    *to_x = grad * gate;
                    *to_gate = I::multiply_add(x, grad, *to_gate);
                }
            }
        }
    }
}
