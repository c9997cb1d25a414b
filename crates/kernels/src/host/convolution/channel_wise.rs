//! The channel-wise convolution: channels lie side by side in memory and in registers. The radial
//! weights of sixty-four edges are formed by one matrix product, and messages are summed into their rows
//! without being stored.

use std::ops::Range;

use super::lanes::{LANES, Lanes, Packed};
use super::program::PathProgram;
use super::tiles::Tile;
use super::{Convolution, EdgeRows, Wanted};
use crate::host::convolution::couple::kernel_entries;
use crate::host::matmul::{Matrix, add_product};
use crate::host::real::{Real, axpy};
use crate::host::simd::{Instructions, Loop, dispatch};

/// Radial weights of a tile that are formed at once, in numbers: 512 KiB in f32.
const SLAB: usize = 1 << 17;

/// One path: one input block, one output block.
struct Channels<T> {
    path: PathProgram<T>,
    mul: usize,
    input: usize,
    output: usize,
    /// First radial weight in the slab.
    weight: usize,
    /// First kernel entry in the slab.
    entry: usize,
}

/// Consecutive paths with one radial network.
struct Slab<T> {
    paths: Vec<Channels<T>>,
    radial: usize,
    weights: Range<usize>,
    num_entries: usize,
}

/// Buffers of one thread.
pub(crate) struct ChannelWise<T> {
    slabs: Vec<Slab<T>>,
    y: Packed<T>,
    /// `[edge, slab columns]`
    radial: Vec<T>,
    to_radial: Vec<T>,
    /// Kernel entries of sixteen edges.
    entries: Vec<Lanes<T>>,
    /// Gradient to the harmonics of one edge, before the sum over channels.
    to_y: Vec<Lanes<T>>,
}

impl<T: Real> ChannelWise<T> {
    pub(crate) fn new(convolution: &Convolution<'_, T>, wanted: Option<Wanted>) -> Self {
        let mut slabs: Vec<Slab<T>> = Vec::new();
        for pair in convolution.plan.pairs() {
            let fits = |slab: &Slab<T>| {
                slab.radial == pair.radial
                    && (pair.weights.end - slab.weights.start) * super::EDGES <= SLAB
            };
            if !slabs.last().is_some_and(fits) {
                slabs.push(Slab {
                    paths: Vec::new(),
                    radial: pair.radial,
                    weights: pair.weights.start..pair.weights.start,
                    num_entries: 0,
                });
            }
            let last = slabs.len() - 1;
            let slab = &mut slabs[last];
            for (index, path) in pair.paths.iter().enumerate() {
                let path = PathProgram::new(path, 2 * pair.output.l + 1);
                let entry = slab.num_entries;
                slab.num_entries += path.slots.len();
                slab.paths.push(Channels {
                    path,
                    mul: pair.input.mul,
                    input: pair.input.offset,
                    output: pair.output.offset,
                    weight: pair.weights.start - slab.weights.start + index * pair.input.mul,
                    entry,
                });
            }
            slab.weights.end = pair.weights.end;
        }
        let widest = slabs.iter().map(|slab| slab.weights.len()).max();
        let most_entries = slabs.iter().map(|slab| slab.num_entries).max();
        let radial = vec![T::ZERO; super::EDGES * widest.unwrap_or(0)];
        let width = convolution.harmonics_width;
        Self {
            to_radial: if wanted.is_some() {
                radial.clone()
            } else {
                Vec::new()
            },
            radial,
            entries: vec![[T::ZERO; LANES]; most_entries.unwrap_or(0)],
            y: Packed::new(super::EDGES / LANES, width),
            to_y: vec![[T::ZERO; LANES]; width],
            slabs,
        }
    }

    /// Adds the messages of a tile to its rows; `out` begins with row `first_row`.
    pub(crate) fn forward(
        &mut self,
        convolution: &Convolution<'_, T>,
        tile: &Tile,
        out: &mut [T],
        first_row: usize,
    ) {
        let rows = tile.clone();
        self.load(convolution, tile);
        for index in 0..self.slabs.len() {
            self.form_radial_weights(convolution, index, tile);
            dispatch(Forward {
                buffers: self,
                index,
                convolution,
                tile: &rows,
                out,
                first_row,
            });
        }
    }

    pub(crate) fn backward(
        &mut self,
        convolution: &Convolution<'_, T>,
        tile: &Tile,
        (grad, wanted): (&[T], Wanted),
        mut rows: EdgeRows<'_, T>,
        to_weight: &mut [T],
    ) {
        self.load(convolution, tile);
        for index in 0..self.slabs.len() {
            self.form_radial_weights(convolution, index, tile);
            dispatch(Backward {
                buffers: self,
                index,
                convolution,
                tile,
                grad,
                wanted,
                to_features: rows.features,
                to_harmonics: rows.harmonics,
            });
            self.radial_backward(convolution, index, tile, &mut rows, to_weight);
        }
    }

    fn load(&mut self, convolution: &Convolution<'_, T>, tile: &Tile) {
        let edges = tile.edges.clone();
        self.y
            .load(edges.map(|edge| convolution.harmonics_of(edge)));
    }

    fn form_radial_weights(&mut self, convolution: &Convolution<'_, T>, index: usize, tile: &Tile) {
        let slab = &self.slabs[index];
        let width = slab.weights.len();
        let radial = &mut self.radial[..tile.edges.len() * width];
        match convolution.bias() {
            None => radial.fill(T::ZERO),
            Some(bias) => radial
                .chunks_exact_mut(width.max(1))
                .for_each(|row| row.copy_from_slice(&bias[slab.weights.clone()])),
        }
        let hidden = convolution.hidden_of(slab.radial, &tile.edges);
        add_product(radial, width, hidden, convolution.weight_of(&slab.weights));
    }

    /// Gradients to hidden features and last layer, from those to the radial weights.
    fn radial_backward(
        &self,
        convolution: &Convolution<'_, T>,
        index: usize,
        tile: &Tile,
        rows: &mut EdgeRows<'_, T>,
        to_weight: &mut [T],
    ) {
        let slab = &self.slabs[index];
        let (width, all) = (slab.weights.len(), convolution.plan.num_weights());
        let (count, stride) = (tile.edges.len(), convolution.hidden_stride());
        let gradient = Matrix::new(&self.to_radial, count, width, width);
        if !rows.hidden.is_empty() {
            let to = &mut rows.hidden[slab.radial * convolution.hidden_width..];
            let weight = convolution.weight_of(&slab.weights).transposed();
            add_product(to, stride, gradient, weight);
        }
        if !to_weight.is_empty() {
            let hidden = convolution.hidden_of(slab.radial, &tile.edges).transposed();
            add_product(&mut to_weight[slab.weights.start..], all, hidden, gradient);
            if convolution.bias().is_some() {
                let first = convolution.hidden_width * all + slab.weights.start;
                let to = &mut to_weight[first..first + width];
                for row in self.to_radial[..count * width].chunks_exact(width.max(1)) {
                    axpy(to, T::ONE, row);
                }
            }
        }
    }
}

/// Calls a function for the channels `0..mul`, as many at a time as are left, with their number as a
/// constant.
macro_rules! for_channels {
    ($mul:expr, $c:ident, $f:ident::<$I:ident, $T:ident>($($argument:expr),* $(,)?)) => {
        let mut $c = 0;
        while $c < $mul {
            $c += match $mul - $c {
                32.. => { $f::<$I, $T, 32>($($argument),*); 32 }
                16..32 => { $f::<$I, $T, 16>($($argument),*); 16 }
                8..16 => { $f::<$I, $T, 8>($($argument),*); 8 }
                4..8 => { $f::<$I, $T, 4>($($argument),*); 4 }
                _ => { $f::<$I, $T, 1>($($argument),*); 1 }
            };
        }
    };
}

/// A path at work on one edge.
#[derive(Clone, Copy)]
struct OnEdge<'a, T> {
    channels: &'a Channels<T>,
    /// Kernel entries of the path for the edge's run.
    entries: &'a [Lanes<T>],
    lane: usize,
    /// Features of the input block, `[m_in, c]`.
    x: &'a [T],
    /// Radial weights, `[c]`.
    weight: &'a [T],
}

impl<T: Real> OnEdge<'_, T> {
    /// `z[m, c..c + C]`
    #[inline(always)]
    fn coupled<I: Instructions, const C: usize>(&self, m: usize, c: usize) -> [T; C] {
        let path = &self.channels.path;
        let mut z = [T::ZERO; C];
        for slot in path.by_m_out[m].clone() {
            let entry = self.entries[slot][self.lane];
            let x = &self.x[path.slots[slot].m_in * self.channels.mul + c..][..C];
            for i in 0..C {
                z[i] = I::multiply_add(entry, x[i], z[i]);
            }
        }
        z
    }
}

struct Forward<'a, T> {
    buffers: &'a mut ChannelWise<T>,
    index: usize,
    convolution: &'a Convolution<'a, T>,
    tile: &'a Tile,
    out: &'a mut [T],
    first_row: usize,
}

impl<T: Real> Loop for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let ChannelWise {
            slabs,
            y,
            radial,
            entries,
            ..
        } = self.buffers;
        let (slab, convolution) = (&slabs[self.index], self.convolution);
        let (width, dim_out) = (slab.weights.len(), convolution.dim_out());
        for segment in self.tile.segments(convolution.row_offsets) {
            let out = &mut self.out[(segment.row - self.first_row) * dim_out..][..dim_out];
            for edge in segment.edges {
                let lane = edge % LANES;
                if lane == 0 {
                    all_entries::<I, T>(slab, y.run(edge / LANES), entries);
                }
                let features = convolution.features_of(self.tile.edges.start + edge);
                let radial = &radial[edge * width..(edge + 1) * width];
                for channels in &slab.paths {
                    let on_edge = OnEdge {
                        channels,
                        entries: &entries[channels.entry..],
                        lane,
                        x: &features[channels.input..],
                        weight: &radial[channels.weight..],
                    };
                    let out = &mut out[channels.output..];
                    for_channels!(channels.mul, c, add_message::<I, T>(&on_edge, c, out));
                }
            }
        }
    }
}

#[inline(always)]
fn all_entries<I: Instructions, T: Real>(slab: &Slab<T>, y: &[Lanes<T>], entries: &mut [Lanes<T>]) {
    for channels in &slab.paths {
        kernel_entries::<I, T>(&channels.path, y, &mut entries[channels.entry..]);
    }
}

/// `out[m, c] += weight[c] z[m, c]` for C channels.
#[inline(always)]
fn add_message<I: Instructions, T: Real, const C: usize>(
    on_edge: &OnEdge<'_, T>,
    c: usize,
    out: &mut [T],
) {
    let mul = on_edge.channels.mul;
    let weight: [T; C] = std::array::from_fn(|i| on_edge.weight[c + i]);
    for m in 0..on_edge.channels.path.by_m_out.len() {
        let z = on_edge.coupled::<I, C>(m, c);
        let out = &mut out[m * mul + c..][..C];
        for i in 0..C {
            out[i] = I::multiply_add(weight[i], z[i], out[i]);
        }
    }
}

struct Backward<'a, T> {
    buffers: &'a mut ChannelWise<T>,
    index: usize,
    convolution: &'a Convolution<'a, T>,
    tile: &'a Tile,
    grad: &'a [T],
    wanted: Wanted,
    to_features: &'a mut [T],
    to_harmonics: &'a mut [T],
}

impl<T: Real> Loop for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let ChannelWise {
            slabs,
            y,
            radial,
            to_radial,
            entries,
            to_y,
        } = self.buffers;
        let (slab, convolution) = (&slabs[self.index], self.convolution);
        let (dim_in, dim_out) = (convolution.dim_in(), convolution.dim_out());
        let (width, harmonics) = (slab.weights.len(), convolution.harmonics_width);
        if self.index == 0 {
            self.to_features.fill(T::ZERO);
        }
        for segment in self.tile.segments(convolution.row_offsets) {
            let grad = &self.grad[segment.row * dim_out..][..dim_out];
            for edge in segment.edges {
                let lane = edge % LANES;
                if lane == 0 {
                    all_entries::<I, T>(slab, y.run(edge / LANES), entries);
                }
                let features = convolution.features_of(self.tile.edges.start + edge);
                let radial = &radial[edge * width..(edge + 1) * width];
                let to_radial = &mut to_radial[edge * width..(edge + 1) * width];
                if self.wanted.harmonics {
                    to_y.fill([T::ZERO; LANES]);
                }
                for channels in &slab.paths {
                    let on_edge = OnEdge {
                        channels,
                        entries: &entries[channels.entry..],
                        lane,
                        x: &features[channels.input..],
                        weight: &radial[channels.weight..],
                    };
                    let grad = &grad[channels.output..];
                    let mut gradients = EdgeGradients {
                        weight: &mut to_radial[channels.weight..],
                        x: match self.wanted.features {
                            true => Some(&mut self.to_features[edge * dim_in + channels.input..]),
                            false => None,
                        },
                        y: self.wanted.harmonics.then_some(to_y.as_mut_slice()),
                    };
                    for_channels!(
                        channels.mul,
                        c,
                        message_backward::<I, T>(&on_edge, c, grad, &mut gradients)
                    );
                }
                if self.wanted.harmonics {
                    let row = &mut self.to_harmonics[edge * harmonics..(edge + 1) * harmonics];
                    for (to, lanes) in row.iter_mut().zip(to_y.iter()) {
                        *to += lanes.iter().fold(T::ZERO, |sum, &part| sum + part);
                    }
                }
            }
        }
    }
}

struct EdgeGradients<'a, T> {
    weight: &'a mut [T],
    x: Option<&'a mut [T]>,
    y: Option<&'a mut [Lanes<T>]>,
}

/// The transposes of [`add_message`].
#[inline(always)]
fn message_backward<I: Instructions, T: Real, const C: usize>(
    on_edge: &OnEdge<'_, T>,
    c: usize,
    grad: &[T],
    gradients: &mut EdgeGradients<'_, T>,
) {
    let Channels { path, mul, .. } = on_edge.channels;
    let weight: [T; C] = std::array::from_fn(|i| on_edge.weight[c + i]);
    let mut to_weight = [T::ZERO; C];
    for m in 0..path.by_m_out.len() {
        let z = on_edge.coupled::<I, C>(m, c);
        let grad: &[T; C] = grad[m * mul + c..][..C].try_into().expect("C channels");
        let mut to_z = [T::ZERO; C];
        for i in 0..C {
            to_weight[i] = I::multiply_add(z[i], grad[i], to_weight[i]);
            to_z[i] = weight[i] * grad[i];
        }
        for slot in path.by_m_out[m].clone() {
            let first = path.slots[slot].m_in * mul + c;
            if let Some(to_x) = &mut gradients.x {
                let entry = on_edge.entries[slot][on_edge.lane];
                let to_x = &mut to_x[first..][..C];
                for i in 0..C {
                    to_x[i] = I::multiply_add(entry, to_z[i], to_x[i]);
                }
            }
            if let Some(to_y) = &mut gradients.y {
                let x = &on_edge.x[first..][..C];
                let mut product = [T::ZERO; C];
                for i in 0..C {
                    product[i] = x[i] * to_z[i];
                }
                for &(harmonic, value) in &path.terms[path.slots[slot].terms.clone()] {
                    let to_y = &mut to_y[harmonic];
                    for i in 0..C {
                        to_y[i % LANES] = I::multiply_add(product[i], value, to_y[i % LANES]);
                    }
                }
            }
        }
    }
    gradients.weight[c..c + C].copy_from_slice(&to_weight);
}
