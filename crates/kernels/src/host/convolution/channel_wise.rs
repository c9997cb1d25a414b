//! The channel-wise convolution: channels lie side by side in memory and in registers. The radial
//! weights of sixty-four edges are formed by one matrix product, and messages are summed into their rows
//! without being stored.

use std::ops::Range;

use super::couple::kernel_entries;
use super::gradients::EdgeRows;
use super::lanes::{LANES, Lanes, Packed, scaled_add};
use super::last_layer::{PackedWeight, WeightGradient};
use super::program::PathProgram;
use super::tiles::Tile;
use super::{Convolution, Wanted};
use crate::host::matmul::{Matrix, add_product};
use crate::host::real::{Real, axpy};
use crate::host::simd::{Instructions, Loop, dispatch};

/// Radial weights of a tile that are formed at once, in numbers: 512 KiB in f32.
const SLAB: usize = 1 << 17;

/// Kernel entries of sixteen edges that are formed at once: 16 KiB in f32, which every one of the edges
/// reads again.
const ENTRIES: usize = 256;

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

/// The paths of a convolution, cut into slabs.
fn slabs<T: Real>(convolution: &Convolution<'_, T>) -> Vec<Slab<T>> {
    let mut slabs: Vec<Slab<T>> = Vec::new();
    for pair in convolution.plan.pairs() {
        let mul = pair.input.mul;
        for (index, path) in pair.paths.iter().enumerate() {
            let path = PathProgram::new(path, 2 * pair.output.l + 1);
            let first = pair.weights.start + index * mul;
            let fits = |slab: &Slab<T>| {
                slab.radial == pair.radial
                    && (first + mul - slab.weights.start) * super::EDGES <= SLAB
                    && slab.num_entries + path.slots.len() <= ENTRIES
            };
            if !slabs.last().is_some_and(fits) {
                slabs.push(Slab {
                    paths: Vec::new(),
                    radial: pair.radial,
                    weights: first..first,
                    num_entries: 0,
                });
            }
            let last = slabs.len() - 1;
            let slab = &mut slabs[last];
            let entry = slab.num_entries;
            slab.num_entries += path.slots.len();
            slab.weights.end = first + mul;
            slab.paths.push(Channels {
                path,
                mul,
                input: pair.input.offset,
                output: pair.output.offset,
                weight: first - slab.weights.start,
                entry,
            });
        }
    }
    slabs
}

/// Buffers of one thread.
pub(crate) struct ChannelWise<T> {
    slabs: Vec<Slab<T>>,
    y: Packed<T>,
    /// `[edge, slab columns]`
    radial: Vec<T>,
    to_radial: Vec<T>,
    /// Kernel entries of sixteen edges, and the gradient to them.
    entries: Vec<Lanes<T>>,
    to_entries: Vec<Lanes<T>>,
    /// Gradient to the harmonics of sixteen edges.
    to_y: Vec<Lanes<T>>,
}

impl<T: Real> ChannelWise<T> {
    pub(crate) fn new(convolution: &Convolution<'_, T>, wanted: Option<Wanted>) -> Self {
        let slabs = slabs(convolution);
        let widest = slabs.iter().map(|slab| slab.weights.len()).max();
        let most_entries = slabs.iter().map(|slab| slab.num_entries).max();
        let radial = vec![T::ZERO; super::EDGES * widest.unwrap_or(0)];
        let entries = vec![[T::ZERO; LANES]; most_entries.unwrap_or(0)];
        let width = convolution.harmonics_width;
        Self {
            to_radial: if wanted.is_some() {
                radial.clone()
            } else {
                Vec::new()
            },
            radial,
            to_entries: match wanted {
                Some(wanted) if wanted.harmonics => entries.clone(),
                _ => Vec::new(),
            },
            entries,
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
        self.load(convolution, tile);
        for index in 0..self.slabs.len() {
            self.form_radial_weights(convolution, index, tile);
            dispatch(Forward {
                buffers: self,
                index,
                convolution,
                tile,
                out,
                first_row,
            });
        }
    }

    pub(crate) fn backward(
        &mut self,
        convolution: &Convolution<'_, T>,
        tile: &Tile,
        (grad, packed): (&[T], &PackedWeight<T>),
        wanted: Wanted,
        mut rows: EdgeRows<'_, T>,
        to_weight: &mut WeightGradient<T>,
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
            self.radial_backward(
                convolution,
                index,
                tile,
                (packed, wanted),
                &mut rows,
                to_weight,
            );
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
        add_product(
            radial,
            width,
            hidden,
            convolution.layer().weight_of(&slab.weights),
        );
    }

    /// Gradients to hidden features and last layer, from those to the radial weights.
    fn radial_backward(
        &self,
        convolution: &Convolution<'_, T>,
        index: usize,
        tile: &Tile,
        (packed, wanted): (&PackedWeight<T>, Wanted),
        rows: &mut EdgeRows<'_, T>,
        to_weight: &mut WeightGradient<T>,
    ) {
        let slab = &self.slabs[index];
        let width = slab.weights.len();
        let (count, stride) = (tile.edges.len(), convolution.hidden_stride());
        let gradient = Matrix::new(&self.to_radial, count, width, width);
        if wanted.hidden {
            let to = &mut rows.hidden[slab.radial * convolution.hidden_width..];
            let hidden = convolution.hidden_width;
            let weight = &packed.as_slice()[slab.weights.start * hidden..];
            let weight = Matrix::new(weight, width, hidden, hidden);
            add_product(to, stride, gradient, weight);
        }
        if wanted.weight {
            let hidden = convolution.hidden_of(slab.radial, &tile.edges);
            let first = slab.weights.start * convolution.hidden_width;
            let to = &mut to_weight.packed[first..];
            add_product(to, convolution.hidden_width, gradient.transposed(), hidden);
            if let Some(to) = to_weight.bias.get_mut(slab.weights.clone()) {
                for row in self.to_radial[..count * width].chunks_exact(width.max(1)) {
                    axpy(to, T::ONE, row);
                }
            }
        }
    }
}

/// Channels side by side: N registers of W numbers.
type Block<T, const W: usize, const N: usize> = [[T; W]; N];

#[inline(always)]
fn load<T: Real, const W: usize, const N: usize>(from: &[T]) -> Block<T, W, N> {
    let mut block = [[T::ZERO; W]; N];
    for (part, from) in block.iter_mut().zip(from[..W * N].as_chunks::<W>().0) {
        *part = *from;
    }
    block
}

/// `to += a b` with one number a.
#[inline(always)]
fn add_scaled<I: Instructions, T: Real, const W: usize, const N: usize>(
    to: &mut [T],
    a: T,
    b: &Block<T, W, N>,
) {
    for (to, b) in to[..W * N].as_chunks_mut::<W>().0.iter_mut().zip(b) {
        for i in 0..W {
            to[i] = I::multiply_add(a, b[i], to[i]);
        }
    }
}

/// The sum of a register, by halves.
#[inline(always)]
fn sum_of<T: Real, const W: usize>(mut numbers: [T; W]) -> T {
    let mut half = W / 2;
    while half > 0 {
        for i in 0..half {
            numbers[i] += numbers[i + half];
        }
        half /= 2;
    }
    numbers[0]
}

/// Calls a function for the channels `0..mul`, as many at a time as are left, with their number as
/// constants.
macro_rules! for_channels {
    ($mul:expr, $c:ident, $f:ident::<$I:ident, $T:ident>($($argument:expr),* $(,)?)) => {
        let mut $c = 0;
        while $c < $mul {
            $c += match $mul - $c {
                32.. => { $f::<$I, $T, 16, 2>($($argument),*); 32 }
                16..32 => { $f::<$I, $T, 16, 1>($($argument),*); 16 }
                8..16 => { $f::<$I, $T, 8, 1>($($argument),*); 8 }
                4..8 => { $f::<$I, $T, 4, 1>($($argument),*); 4 }
                _ => { $f::<$I, $T, 1, 1>($($argument),*); 1 }
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

/// The transpose of [`all_entries`]: the gradient to the harmonics of sixteen edges.
#[inline(always)]
fn entries_backward<I: Instructions, T: Real>(
    slab: &Slab<T>,
    to_entries: &[Lanes<T>],
    to_y: &mut [Lanes<T>],
) {
    to_y.fill([T::ZERO; LANES]);
    for Channels { path, entry, .. } in &slab.paths {
        for (slot, to_entry) in path.slots.iter().zip(&to_entries[*entry..]) {
            for &(harmonic, value) in &path.terms[slot.terms.clone()] {
                to_y[harmonic] = scaled_add::<I, T>(to_entry, value, &to_y[harmonic]);
            }
        }
    }
}

/// `out[m, c] += weight[c] sum over m_in of K[m, m_in] x[m_in, c]` for W N channels.
#[inline(always)]
fn add_message<I: Instructions, T: Real, const W: usize, const N: usize>(
    on_edge: &OnEdge<'_, T>,
    c: usize,
    out: &mut [T],
) {
    let Channels { path, mul, .. } = on_edge.channels;
    let weight: Block<T, W, N> = load(&on_edge.weight[c..]);
    for (m, slots) in path.by_m_out.iter().enumerate() {
        let entries = &on_edge.entries[slots.clone()];
        let mut z = [[T::ZERO; W]; N];
        for (slot, entry) in path.slots[slots.clone()].iter().zip(entries) {
            let entry = entry[on_edge.lane % LANES];
            let x: Block<T, W, N> = load(&on_edge.x[slot.m_in * mul + c..]);
            for n in 0..N {
                for i in 0..W {
                    z[n][i] = I::multiply_add(entry, x[n][i], z[n][i]);
                }
            }
        }
        let out = &mut out[m * mul + c..][..W * N];
        for (n, out) in out.as_chunks_mut::<W>().0.iter_mut().enumerate() {
            for i in 0..W {
                out[i] = I::multiply_add(weight[n][i], z[n][i], out[i]);
            }
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
            to_entries,
            to_y,
            ..
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
                    to_entries.fill([T::ZERO; LANES]);
                }
                let features = convolution.features_of(self.tile.edges.start + edge);
                let radial = &radial[edge * width..(edge + 1) * width];
                let to_radial = &mut to_radial[edge * width..(edge + 1) * width];
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
                        entries: match self.wanted.harmonics {
                            true => Some(&mut to_entries[channels.entry..]),
                            false => None,
                        },
                    };
                    for_channels!(
                        channels.mul,
                        c,
                        message_backward::<I, T>(&on_edge, c, grad, &mut gradients)
                    );
                }
                let is_last = lane + 1 == LANES || edge + 1 == self.tile.edges.len();
                if is_last && self.wanted.harmonics {
                    entries_backward::<I, T>(slab, to_entries, to_y);
                    let rows = &mut self.to_harmonics[(edge - lane) * harmonics..];
                    let rows = rows.chunks_exact_mut(harmonics.max(1));
                    for (lane, row) in rows.take(lane + 1).enumerate() {
                        for (to, from) in row.iter_mut().zip(to_y.iter()) {
                            *to += from[lane];
                        }
                    }
                }
            }
        }
    }
}

struct EdgeGradients<'a, T> {
    weight: &'a mut [T],
    x: Option<&'a mut [T]>,
    /// To the kernel entries of the path, for sixteen edges.
    entries: Option<&'a mut [Lanes<T>]>,
}

/// The transposes of [`add_message`]. With `p = x[m_in] grad[m]`, the kernel entry K adds `K p` to the
/// gradient of the weights, and its own gradient is the sum of `weight p` over the channels.
#[inline(always)]
fn message_backward<I: Instructions, T: Real, const W: usize, const N: usize>(
    on_edge: &OnEdge<'_, T>,
    c: usize,
    grad: &[T],
    gradients: &mut EdgeGradients<'_, T>,
) {
    let Channels { path, mul, .. } = on_edge.channels;
    let weight: Block<T, W, N> = load(&on_edge.weight[c..]);
    let mut to_weight = [[T::ZERO; W]; N];
    for (m, slots) in path.by_m_out.iter().enumerate() {
        let grad: Block<T, W, N> = load(&grad[m * mul + c..]);
        let mut to_z = grad;
        for n in 0..N {
            for i in 0..W {
                to_z[n][i] = weight[n][i] * grad[n][i];
            }
        }
        for index in slots.clone() {
            let slot = &path.slots[index];
            let entry = on_edge.entries[index][on_edge.lane % LANES];
            let first = slot.m_in * mul + c;
            let x: Block<T, W, N> = load(&on_edge.x[first..]);
            let mut to_entry = [T::ZERO; W];
            for n in 0..N {
                for i in 0..W {
                    let product = x[n][i] * grad[n][i];
                    to_weight[n][i] = I::multiply_add(entry, product, to_weight[n][i]);
                    to_entry[i] = I::multiply_add(weight[n][i], product, to_entry[i]);
                }
            }
            if let Some(to_x) = &mut gradients.x {
                add_scaled::<I, T, W, N>(&mut to_x[first..], entry, &to_z);
            }
            if let Some(to_entries) = &mut gradients.entries {
                to_entries[index][on_edge.lane % LANES] += sum_of(to_entry);
            }
        }
    }
    let to = &mut gradients.weight[c..][..W * N];
    to.as_chunks_mut::<W>().0.copy_from_slice(&to_weight);
}
