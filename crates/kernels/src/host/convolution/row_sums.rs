//! The order that sums first: for each row `A[m, c_in, h] = sum over its edges of z[m, c_in] hidden[h]`,
//! then `out[m, c_out] = A[m, (c_in, h)] weight[(c_in, h), c_out]`, a product as large as the tile has
//! rows. Per edge it costs `hidden c_in (2 l_out + 1)` for each path instead of `hidden c_in c_out`.

use steerable_harmonics::plan::Pair;

use super::couple::{Sources, couple, couple_backward, kernel_entries};
use super::gradients::TileGradients;
use super::lanes::{LANES, Lanes, Packed};
use super::last_layer::PackedWeight;
use super::program::{Group, Order, PathProgram};
use super::tiles::{Segment, Tile};
use super::{Convolution, Wanted};
use crate::host::matmul::{Matrix, add_product, set_product};
use crate::host::real::Real;
use crate::host::simd::{Instructions, Loop, dispatch};

/// Numbers of `A` of one path that a tile may hold: 1 MiB in f32.
const MOST_SUMS: usize = 1 << 18;

/// Rows with edges that a tile may have, so that the sums stay in cache.
pub(crate) fn most_rows<T>(groups: &[Group<'_, T>], hidden: usize) -> usize {
    groups
        .iter()
        .filter(|group| group.order == Order::RowSums)
        .map(|group| (MOST_SUMS / (group.coupled_len() * hidden).max(1)).max(1))
        .min()
        .unwrap_or(usize::MAX)
}

/// Buffers of one thread.
pub(crate) struct RowSums<T> {
    /// Coupled features of a tile, `[m_out, c_in, edge]`.
    z: Vec<Lanes<T>>,
    to_z: Vec<Lanes<T>>,
    entries: Vec<Lanes<T>>,
    /// `[row, m_out, c_in, hidden]`
    sums: Vec<T>,
    to_sums: Vec<T>,
    /// `[row, m_out, c_in]`, for the bias.
    plain_sums: Vec<T>,
    to_plain_sums: Vec<T>,
    /// `[row, m_out, c_out]` of each member: output, or gradient to it.
    out: Vec<T>,
}

/// One group at work on one tile.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a, T> {
    pub(crate) convolution: &'a Convolution<'a, T>,
    pub(crate) group: &'a Group<'a, T>,
    pub(crate) packed: &'a PackedWeight<T>,
    pub(crate) tile: &'a Tile,
    pub(crate) segments: &'a [Segment],
    pub(crate) x: &'a Packed<T>,
    pub(crate) y: &'a Packed<T>,
}

impl<'a, T: Real> Job<'a, T> {
    fn mul(&self) -> usize {
        self.group.input.mul
    }

    fn hidden_width(&self) -> usize {
        self.convolution.hidden_width
    }

    /// Rows of the matrix of outputs: (row, m_out).
    fn rows(&self) -> usize {
        self.segments.len() * self.group.components
    }

    /// `[(c_in, hidden), c_out]` of a path, where the weights were packed for the forward pass.
    fn weight_of(&self, pair: &Pair, path: usize) -> Matrix<'a, T> {
        let (hidden, channels) = (self.hidden_width(), pair.output.mul);
        let first = self.group.columns(pair, path).start * hidden;
        let rows = self.mul() * hidden;
        Matrix::new(&self.packed.as_slice()[first..], rows, channels, channels)
    }

    /// `[c_out, (c_in, hidden)]` of a path, where the weights were packed for the backward pass.
    fn transposed_weight_of(&self, pair: &Pair, path: usize) -> Matrix<'a, T> {
        let columns = self.mul() * self.hidden_width();
        let first = self.group.columns(pair, path).start * self.hidden_width();
        Matrix::new(
            &self.packed.as_slice()[first..],
            pair.output.mul,
            columns,
            columns,
        )
    }

    /// `[c_in, c_out]` of a path's bias.
    fn bias_of(&self, pair: &Pair, path: usize) -> Option<Matrix<'a, T>> {
        let (bias, channels) = (self.convolution.bias()?, pair.output.mul);
        let first = self.group.columns(pair, path).start;
        Some(Matrix::new(&bias[first..], self.mul(), channels, channels))
    }

    /// Hidden features of a row's edges, `[edges, hidden]`.
    fn hidden_of(&self, segment: &Segment) -> Matrix<'a, T> {
        let start = self.tile.edges.start;
        let edges = start + segment.edges.start..start + segment.edges.end;
        self.convolution.hidden_of(self.group.radial, &edges)
    }
}

impl<T: Real> RowSums<T> {
    pub(crate) fn new(
        groups: &[Group<'_, T>],
        hidden: usize,
        bias: bool,
        (runs, rows): (usize, usize),
        backward: bool,
    ) -> Self {
        let (mut coupled, mut slots, mut out) = (0, 0, 0);
        for group in groups.iter().filter(|group| group.order == Order::RowSums) {
            coupled = coupled.max(group.coupled_len());
            slots = slots.max(group.most_slots());
            out = out.max(group.components * group.channels_out());
        }
        let lanes = |len: usize| vec![[T::ZERO; LANES]; len];
        let zeros = |len: usize| vec![T::ZERO; len];
        let (back, plain) = (usize::from(backward), usize::from(bias));
        Self {
            z: lanes(coupled * runs),
            to_z: lanes(coupled * runs * back),
            entries: lanes(slots),
            sums: zeros(rows * coupled * hidden),
            to_sums: zeros(rows * coupled * hidden * back),
            plain_sums: zeros(rows * coupled * plain),
            to_plain_sums: zeros(rows * coupled * plain * back),
            out: zeros(rows * out),
        }
    }

    /// Adds the messages of a group to the rows of a tile; `out` begins with row `first_row`.
    pub(crate) fn forward(&mut self, job: Job<'_, T>, out: &mut [T], first_row: usize) {
        let Job { group, .. } = job;
        let rows = job.rows();
        let coupled = job.mul() * job.hidden_width();
        self.out[..rows * group.channels_out()].fill(T::ZERO);
        for index in 0..group.paths.len() {
            self.form_sums(job, index);
            let sums = Matrix::new(&self.sums, rows, coupled, coupled);
            let mut first = 0;
            for pair in &group.members {
                let channels = pair.output.mul;
                let to = &mut self.out[first..first + rows * channels];
                add_product(to, channels, sums, job.weight_of(pair, index));
                if let Some(bias) = job.bias_of(pair, index) {
                    let sums = Matrix::new(&self.plain_sums, rows, job.mul(), job.mul());
                    add_product(to, channels, sums, bias);
                }
                first += rows * channels;
            }
        }
        let dim = job.convolution.dim_out();
        let mut first = 0;
        for pair in &group.members {
            for segment in job.segments {
                let to = &mut out[(segment.row - first_row) * dim..][pair.output.columns()];
                let from = &self.out[first..first + to.len()];
                to.iter_mut().zip(from).for_each(|(to, &from)| *to += from);
                first += from.len();
            }
        }
    }

    /// Adds the gradients of a group for the edges of a tile. `grad` is the gradient to all rows.
    pub(crate) fn backward(
        &mut self,
        job: Job<'_, T>,
        grad: &[T],
        wanted: Wanted,
        gradients: &mut TileGradients<'_, T>,
    ) {
        let Job { group, .. } = job;
        let (rows, mul, hidden) = (job.rows(), job.mul(), job.hidden_width());
        let coupled = mul * hidden;
        self.gather_gradient(job, grad);
        for index in 0..group.paths.len() {
            self.form_sums(job, index);
            let mut first = 0;
            for (member, pair) in group.members.iter().enumerate() {
                let channels = pair.output.mul;
                let grad = &self.out[first..first + rows * channels];
                let grad = Matrix::new(grad, rows, channels, channels);
                first += rows * channels;
                let product: fn(&mut [T], usize, Matrix<'_, T>, Matrix<'_, T>) = match member {
                    0 => set_product,
                    _ => add_product,
                };
                let weight = job.transposed_weight_of(pair, index);
                product(&mut self.to_sums, coupled, grad, weight);
                if let Some(bias) = job.bias_of(pair, index) {
                    product(&mut self.to_plain_sums, mul, grad, bias.transposed());
                }
                if wanted.weight {
                    let columns = group.columns(pair, index);
                    let sums = Matrix::new(&self.sums, rows, coupled, coupled).transposed();
                    let to = &mut gradients.weight.packed[columns.start * hidden..];
                    add_product(to, channels, sums, grad);
                    if let Some(to) = gradients.weight.bias.get_mut(columns) {
                        let sums = Matrix::new(&self.plain_sums, rows, mul, mul).transposed();
                        add_product(to, channels, sums, grad);
                    }
                }
            }
            self.edges_backward(job, index, wanted, gradients);
        }
    }

    /// The gradient to the members' outputs, row by row.
    fn gather_gradient(&mut self, job: Job<'_, T>, grad: &[T]) {
        let dim = job.convolution.dim_out();
        let mut first = 0;
        for pair in &job.group.members {
            for segment in job.segments {
                let from = &grad[segment.row * dim..][pair.output.columns()];
                self.out[first..first + from.len()].copy_from_slice(from);
                first += from.len();
            }
        }
    }

    /// Couples the edges of the tile along one path and sums them row by row.
    fn form_sums(&mut self, job: Job<'_, T>, index: usize) {
        let Job { group, tile, .. } = job;
        let (mul, hidden, stride) = (job.mul(), job.hidden_width(), tile.runs());
        let path = &group.paths[index];
        for run in 0..stride {
            dispatch(Couple {
                path,
                sources: sources(job, run),
                entries: &mut self.entries,
                z: &mut self.z[run..],
                stride,
            });
        }
        let (coupled, width) = (group.coupled_len(), stride * LANES);
        let z = self.z.as_flattened();
        for (row, segment) in job.segments.iter().enumerate() {
            let edges = segment.edges.len();
            let z = Matrix::new(&z[segment.edges.start..], coupled, edges, width);
            let to = &mut self.sums[row * coupled * hidden..];
            set_product(to, hidden, z, job.hidden_of(segment));
        }
        if job.convolution.bias().is_some() {
            let rows = self.plain_sums.chunks_exact_mut(group.components * mul);
            for (segment, sums) in job.segments.iter().zip(rows) {
                for (sum, z) in sums.iter_mut().zip(z.chunks_exact(width)) {
                    let edges = &z[segment.edges.clone()];
                    *sum = edges.iter().fold(T::ZERO, |sum, &z| sum + z);
                }
            }
        }
    }

    /// From the gradient to the sums of a path to those of the edges.
    fn edges_backward(
        &mut self,
        job: Job<'_, T>,
        index: usize,
        wanted: Wanted,
        gradients: &mut TileGradients<'_, T>,
    ) {
        let Job { group, tile, .. } = job;
        let (hidden, stride) = (job.hidden_width(), tile.runs());
        let (coupled, width) = (group.coupled_len(), stride * LANES);
        let hidden_stride = job.convolution.hidden_stride();
        for (row, segment) in job.segments.iter().enumerate() {
            let to_sums = &self.to_sums[row * coupled * hidden..];
            let to_sums = Matrix::new(to_sums, coupled, hidden, hidden);
            if wanted.hidden {
                let z = &self.z.as_flattened()[segment.edges.start..];
                let z = Matrix::new(z, coupled, segment.edges.len(), width).transposed();
                let first = segment.edges.start * hidden_stride + group.radial * hidden;
                add_product(&mut gradients.hidden[first..], hidden_stride, z, to_sums);
            }
            if wanted.features || wanted.harmonics {
                let to_z = &mut self.to_z.as_flattened_mut()[segment.edges.start..];
                set_product(to_z, width, to_sums, job.hidden_of(segment).transposed());
            }
        }
        if !(wanted.features || wanted.harmonics) {
            return;
        }
        if job.convolution.bias().is_some() {
            for (row, segment) in job.segments.iter().enumerate() {
                let plain = &self.to_plain_sums[row * coupled..(row + 1) * coupled];
                let to_z = self.to_z.as_flattened_mut().chunks_exact_mut(width);
                for (to_z, &plain) in to_z.zip(plain) {
                    to_z[segment.edges.clone()]
                        .iter_mut()
                        .for_each(|to| *to += plain);
                }
            }
        }
        for run in 0..stride {
            let columns = group.input.columns();
            dispatch(CoupleBackward {
                path: &group.paths[index],
                sources: sources(job, run),
                entries: &mut self.entries,
                to_z: &self.to_z[run..],
                stride,
                to_x: wanted
                    .features
                    .then(|| &mut gradients.x.run_mut(run)[columns]),
                to_y: wanted.harmonics.then(|| gradients.y.run_mut(run)),
            });
        }
    }
}

fn sources<'a, T: Real>(job: Job<'a, T>, run: usize) -> Sources<'a, T> {
    Sources {
        x: &job.x.run(run)[job.group.input.columns()],
        y: job.y.run(run),
        mul: job.mul(),
    }
}

struct Couple<'a, T> {
    path: &'a PathProgram<T>,
    sources: Sources<'a, T>,
    entries: &'a mut [Lanes<T>],
    z: &'a mut [Lanes<T>],
    stride: usize,
}

impl<T: Real> Loop for Couple<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        couple::<I, T>(self.path, self.sources, self.entries, self.z, self.stride);
    }
}

struct CoupleBackward<'a, T> {
    path: &'a PathProgram<T>,
    sources: Sources<'a, T>,
    entries: &'a mut [Lanes<T>],
    to_z: &'a [Lanes<T>],
    stride: usize,
    to_x: Option<&'a mut [Lanes<T>]>,
    to_y: Option<&'a mut [Lanes<T>]>,
}

impl<T: Real> Loop for CoupleBackward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        kernel_entries::<I, T>(self.path, self.sources.y, self.entries);
        couple_backward::<I, T>(
            self.path,
            self.sources,
            self.entries,
            self.to_z,
            self.stride,
            self.to_x,
            self.to_y,
        );
    }
}
