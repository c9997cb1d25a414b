//! The order that forms the radial weights of each edge: `R = hidden @ weight` for sixty-four edges and
//! a few paths at a time, in a buffer that stays in cache, then `out[m, c_out] += z[m, c_in] R[c_in, c_out]`.

use std::ops::Range;

use super::couple::{Sources, couple, couple_backward};
use super::lanes::{LANES, Lanes, Packed, add, multiply_add};
use super::program::Group;
use super::tiles::Tile;
use super::{Convolution, TileGradients, Wanted};
use crate::host::matmul::{Matrix, add_product, set_product};
use crate::host::real::Real;
use crate::host::simd::{Instructions, Loop, dispatch};

/// Runs of edges whose radial weights are formed at once.
pub(crate) const RUNS: usize = 4;
/// Radial weights formed at once, in numbers: 512 KiB in f32.
const SLAB: usize = 1 << 17;

/// Buffers of one thread.
pub(crate) struct EdgeWeights<T> {
    /// Radial weights `[columns, RUNS]`, those of all members of a group one after the other.
    radial: Vec<Lanes<T>>,
    to_radial: Vec<Lanes<T>>,
    /// Hidden features of the slab's edges and the gradient to them, `[hidden, RUNS]`.
    hidden: Vec<Lanes<T>>,
    to_hidden: Vec<Lanes<T>>,
    z: Vec<Lanes<T>>,
    to_z: Vec<Lanes<T>>,
    entries: Vec<Lanes<T>>,
}

/// Which paths of a group are worked on, for which edges.
#[derive(Clone)]
struct Slab {
    paths: Range<usize>,
    /// Runs of the tile.
    runs: Range<usize>,
    /// Edges, counted among all.
    edges: Range<usize>,
}

impl<T: Real> EdgeWeights<T> {
    pub(crate) fn new<'g>(
        groups: impl Iterator<Item = &'g Group<'g, T>>,
        hidden: usize,
        backward: bool,
    ) -> Self
    where
        T: 'g,
    {
        let (mut columns, mut coupled, mut slots) = (0, 0, 0);
        for group in groups {
            let paths = paths_at_once(group);
            columns = columns.max(paths * group.input.mul * group.channels_out());
            coupled = coupled.max(group.coupled_len());
            slots = slots.max(group.most_slots());
        }
        let zeros = |len: usize| vec![[T::ZERO; LANES]; len];
        Self {
            radial: zeros(columns * RUNS),
            to_radial: zeros(if backward { columns * RUNS } else { 0 }),
            hidden: zeros(hidden * RUNS),
            to_hidden: zeros(if backward { hidden * RUNS } else { 0 }),
            z: zeros(coupled),
            to_z: zeros(if backward { coupled } else { 0 }),
            entries: zeros(slots),
        }
    }

    /// Adds the messages of a group for the edges of a tile.
    pub(crate) fn forward(
        &mut self,
        convolution: &Convolution<'_, T>,
        group: &Group<'_, T>,
        tile: &Tile,
        x: &Packed<T>,
        y: &Packed<T>,
        messages: &mut Packed<T>,
    ) {
        for slab in slabs(group, tile) {
            self.form_radial_weights(convolution, group, &slab);
            for run in slab.runs.clone() {
                dispatch(Forward {
                    buffers: self,
                    group,
                    slab: &slab,
                    run,
                    x: x.run(run),
                    y: y.run(run),
                    messages: messages.run_mut(run),
                });
            }
        }
    }

    /// Adds the gradients of a group for the edges of a tile, given the gradient to their messages.
    pub(crate) fn backward(
        &mut self,
        convolution: &Convolution<'_, T>,
        group: &Group<'_, T>,
        tile: &Tile,
        (x, y, grad): (&Packed<T>, &Packed<T>, &Packed<T>),
        wanted: Wanted,
        gradients: &mut TileGradients<'_, T>,
    ) {
        for slab in slabs(group, tile) {
            self.form_radial_weights(convolution, group, &slab);
            for run in slab.runs.clone() {
                dispatch(Backward {
                    buffers: self,
                    group,
                    slab: &slab,
                    run,
                    x: x.run(run),
                    y: y.run(run),
                    grad: grad.run(run),
                    to_x: wanted.features.then(|| gradients.x.run_mut(run)),
                    to_y: wanted.harmonics.then(|| gradients.y.run_mut(run)),
                });
            }
            self.radial_backward(convolution, group, tile, &slab, wanted, gradients);
        }
    }

    fn form_radial_weights(
        &mut self,
        convolution: &Convolution<'_, T>,
        group: &Group<'_, T>,
        slab: &Slab,
    ) {
        self.load_hidden(convolution, group.radial, &slab.edges);
        let hidden = self.hidden.as_flattened();
        let width = RUNS * LANES;
        let hidden = Matrix::new(hidden, convolution.hidden_width, slab.edges.len(), width);
        for (columns, buffer) in members(group, slab) {
            let radial = &mut self.radial[buffer];
            let weight = convolution.weight_of(&columns).transposed();
            match convolution.bias() {
                None => set_product(radial.as_flattened_mut(), width, weight, hidden),
                Some(bias) => {
                    let columns = radial.chunks_exact_mut(RUNS).zip(&bias[columns.clone()]);
                    columns.for_each(|(lanes, &bias)| lanes.fill([bias; LANES]));
                    add_product(radial.as_flattened_mut(), width, weight, hidden);
                }
            }
        }
    }

    /// Edges side by side, so that no product has to rearrange its operands.
    fn load_hidden(
        &mut self,
        convolution: &Convolution<'_, T>,
        radial: usize,
        edges: &Range<usize>,
    ) {
        let hidden = self.hidden.as_flattened_mut();
        let (width, stride) = (convolution.hidden_width, convolution.hidden_stride());
        for (at, edge) in edges.clone().enumerate() {
            let row = &convolution.hidden[edge * stride + radial * width..][..width];
            for (h, &value) in row.iter().enumerate() {
                hidden[h * RUNS * LANES + at] = value;
            }
        }
    }

    /// Gradients to hidden features and last layer, from those to the radial weights.
    fn radial_backward(
        &mut self,
        convolution: &Convolution<'_, T>,
        group: &Group<'_, T>,
        tile: &Tile,
        slab: &Slab,
        wanted: Wanted,
        gradients: &mut TileGradients<'_, T>,
    ) {
        let (count, width) = (slab.edges.len(), convolution.hidden_width);
        for (member, (columns, buffer)) in members(group, slab).enumerate() {
            let to_radial = self.to_radial[buffer].as_flattened();
            let gradient = Matrix::new(to_radial, columns.len(), count, RUNS * LANES);
            if wanted.hidden {
                let product: fn(&mut [T], usize, Matrix<'_, T>, Matrix<'_, T>) = match member {
                    0 => set_product,
                    _ => add_product,
                };
                let to = self.to_hidden.as_flattened_mut();
                let weight = convolution.weight_of(&columns);
                product(to, RUNS * LANES, weight, gradient);
            }
            if wanted.weight {
                let hidden = convolution.hidden_of(group.radial, &slab.edges);
                let to = &mut gradients.weight.packed[columns.start * width..];
                add_product(to, width, gradient, hidden);
                if let Some(to) = gradients.weight.bias.get_mut(columns) {
                    for (to, edges) in to.iter_mut().zip(to_radial.chunks_exact(RUNS * LANES)) {
                        *to += edges[..count].iter().fold(T::ZERO, |sum, &g| sum + g);
                    }
                }
            }
        }
        if wanted.hidden {
            let stride = convolution.hidden_stride();
            let to_hidden = self.to_hidden.as_flattened();
            for at in 0..count {
                let edge = slab.edges.start - tile.edges.start + at;
                let row = &mut gradients.hidden[edge * stride + group.radial * width..][..width];
                for (h, to) in row.iter_mut().enumerate() {
                    *to += to_hidden[h * RUNS * LANES + at];
                }
            }
        }
    }
}

/// How many paths of a group fit into the slab; at least one.
fn paths_at_once<T>(group: &Group<'_, T>) -> usize {
    let per_path = group.input.mul * group.channels_out() * RUNS * LANES;
    (SLAB / per_path.max(1)).clamp(1, group.paths.len().max(1))
}

fn slabs<T>(group: &Group<'_, T>, tile: &Tile) -> impl Iterator<Item = Slab> + use<T> {
    let (paths, at_once) = (group.paths.len(), paths_at_once(group));
    let (edges, runs) = (tile.edges.clone(), tile.runs());
    (0..runs).step_by(RUNS).flat_map(move |first| {
        let runs = first..(first + RUNS).min(runs);
        let start = edges.start + first * LANES;
        let edges = start..(start + RUNS * LANES).min(edges.end);
        (0..paths).step_by(at_once).map(move |path| Slab {
            paths: path..(path + at_once).min(paths),
            runs: runs.clone(),
            edges: edges.clone(),
        })
    })
}

/// For each member of a group, its columns of the last layer and their place in the buffer.
fn members<T>(
    group: &Group<'_, T>,
    slab: &Slab,
) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let mut first = 0;
    group.members.iter().map(move |pair| {
        let per_path = group.columns(pair, 0).len();
        let start = group.columns(pair, slab.paths.start).start;
        let len = per_path * slab.paths.len();
        let buffer = first * RUNS..(first + len) * RUNS;
        first += len;
        (start..start + len, buffer)
    })
}

/// Calls a function for the components `0..components`, at most seven at a time, with their number as a
/// constant, so that one sum for each stays in a register. `m` is the first of them.
macro_rules! for_components {
    ($components:expr, $m:ident, $f:ident::<$I:ident, $T:ident>($($argument:expr),* $(,)?)) => {
        let mut $m = 0;
        while $m < $components {
            $m += match $components - $m {
                1 => { $f::<$I, $T, 1>($($argument),*); 1 }
                2 => { $f::<$I, $T, 2>($($argument),*); 2 }
                3 => { $f::<$I, $T, 3>($($argument),*); 3 }
                4 => { $f::<$I, $T, 4>($($argument),*); 4 }
                5 | 8 | 9 => { $f::<$I, $T, 5>($($argument),*); 5 }
                6 => { $f::<$I, $T, 6>($($argument),*); 6 }
                _ => { $f::<$I, $T, 7>($($argument),*); 7 }
            };
        }
    };
}

/// One run of edges through the paths of a slab.
struct Forward<'a, T> {
    buffers: &'a mut EdgeWeights<T>,
    group: &'a Group<'a, T>,
    slab: &'a Slab,
    run: usize,
    x: &'a [Lanes<T>],
    y: &'a [Lanes<T>],
    messages: &'a mut [Lanes<T>],
}

impl<T: Real> Loop for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let EdgeWeights {
            radial, z, entries, ..
        } = self.buffers;
        let (group, slab) = (self.group, self.slab);
        let (mul, run) = (group.input.mul, self.run - slab.runs.start);
        let sources = Sources {
            x: &self.x[group.input.columns()],
            y: self.y,
            mul,
        };
        let z = &mut z[..group.coupled_len()];
        for (index, path) in group.paths[slab.paths.clone()].iter().enumerate() {
            couple::<I, T>(path, sources, entries, z, 1);
            let mut first = 0;
            for pair in &group.members {
                let channels = pair.output.mul;
                let radial = &radial[(first + index * mul * channels) * RUNS..];
                let out = &mut self.messages[pair.output.columns()];
                for_components!(
                    group.components,
                    m,
                    apply::<I, T>(
                        &z[m * mul..],
                        Strided { radial, run },
                        (mul, channels),
                        &mut out[m * channels..],
                    )
                );
                first += mul * channels * slab.paths.len();
            }
        }
    }
}

/// Radial weights `[columns, RUNS]` of one run.
#[derive(Clone, Copy)]
struct Strided<'a, T> {
    radial: &'a [Lanes<T>],
    run: usize,
}

impl<T> Strided<'_, T> {
    #[inline(always)]
    fn at(&self, column: usize) -> &Lanes<T> {
        &self.radial[column * RUNS + self.run]
    }
}

/// `out[m, c_out] += sum over c_in of z[m, c_in] R[c_in, c_out]` for M components.
#[inline(always)]
fn apply<I: Instructions, T: Real, const M: usize>(
    z: &[Lanes<T>],
    radial: Strided<'_, T>,
    channels: (usize, usize),
    out: &mut [Lanes<T>],
) {
    let mut c = 0;
    // As many channels side by side as keep the sums in registers.
    macro_rules! blocks {
        ($($width:literal),*) => {
            $(while M * $width <= 16 && c + $width <= channels.1 {
                apply_block::<I, T, M, $width>(z, radial, channels, c, out);
                c += $width;
            })*
        };
    }
    blocks!(6, 4, 2);
    while c < channels.1 {
        apply_block::<I, T, M, 1>(z, radial, channels, c, out);
        c += 1;
    }
}

#[inline(always)]
fn apply_block<I: Instructions, T: Real, const M: usize, const C: usize>(
    z: &[Lanes<T>],
    radial: Strided<'_, T>,
    (mul, channels): (usize, usize),
    first: usize,
    out: &mut [Lanes<T>],
) {
    let mut sums = [[[T::ZERO; LANES]; C]; M];
    for k in 0..mul {
        let mut weights = [[T::ZERO; LANES]; C];
        for (c, weight) in weights.iter_mut().enumerate() {
            *weight = *radial.at(k * channels + first + c);
        }
        for m in 0..M {
            let z = &z[m * mul + k];
            for c in 0..C {
                sums[m][c] = multiply_add::<I, T>(z, &weights[c], &sums[m][c]);
            }
        }
    }
    for m in 0..M {
        for c in 0..C {
            let out = &mut out[m * channels + first + c];
            *out = add(&sums[m][c], out);
        }
    }
}

/// The transposes of [`Forward`].
struct Backward<'a, T> {
    buffers: &'a mut EdgeWeights<T>,
    group: &'a Group<'a, T>,
    slab: &'a Slab,
    run: usize,
    x: &'a [Lanes<T>],
    y: &'a [Lanes<T>],
    grad: &'a [Lanes<T>],
    to_x: Option<&'a mut [Lanes<T>]>,
    to_y: Option<&'a mut [Lanes<T>]>,
}

impl<T: Real> Loop for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let EdgeWeights {
            radial,
            to_radial,
            z,
            to_z,
            entries,
            ..
        } = self.buffers;
        let (group, slab) = (self.group, self.slab);
        let (mul, run) = (group.input.mul, self.run - slab.runs.start);
        let columns = group.input.columns();
        let sources = Sources {
            x: &self.x[columns.clone()],
            y: self.y,
            mul,
        };
        let (mut to_x, mut to_y) = (self.to_x, self.to_y);
        let (z, to_z) = (
            &mut z[..group.coupled_len()],
            &mut to_z[..group.coupled_len()],
        );
        for (index, path) in group.paths[slab.paths.clone()].iter().enumerate() {
            couple::<I, T>(path, sources, entries, z, 1);
            to_z.fill([T::ZERO; LANES]);
            let mut first = 0;
            for pair in &group.members {
                let channels = pair.output.mul;
                let at = (first + index * mul * channels) * RUNS;
                let radial = Strided {
                    radial: &radial[at..],
                    run,
                };
                let to_radial = &mut to_radial[at..];
                let grad = &self.grad[pair.output.columns()];
                for_components!(
                    group.components,
                    m,
                    apply_backward::<I, T>(
                        Applied {
                            z: &z[m * mul..],
                            radial,
                            grad: &grad[m * channels..],
                            is_first: m == 0,
                        },
                        (mul, channels),
                        &mut to_z[m * mul..],
                        to_radial,
                    )
                );
                first += mul * channels * slab.paths.len();
            }
            let to_x = to_x.as_deref_mut().map(|to_x| &mut to_x[columns.clone()]);
            couple_backward::<I, T>(path, sources, entries, to_z, 1, to_x, to_y.as_deref_mut());
        }
    }
}

/// What the transposes of [`apply`] read.
#[derive(Clone, Copy)]
struct Applied<'a, T> {
    z: &'a [Lanes<T>],
    radial: Strided<'a, T>,
    grad: &'a [Lanes<T>],
    /// Whether these are the first components: the gradient to the radial weights is then set, else
    /// added to.
    is_first: bool,
}

#[inline(always)]
fn apply_backward<I: Instructions, T: Real, const M: usize>(
    applied: Applied<'_, T>,
    channels: (usize, usize),
    to_z: &mut [Lanes<T>],
    to_radial: &mut [Lanes<T>],
) {
    let mut k = 0;
    macro_rules! blocks {
        ($($width:literal),*) => {
            $(while M * $width <= 6 && k + $width <= channels.0 {
                backward_block::<I, T, M, $width>(applied, channels, k, to_z, to_radial);
                k += $width;
            })*
        };
    }
    blocks!(4, 2);
    while k < channels.0 {
        backward_block::<I, T, M, 1>(applied, channels, k, to_z, to_radial);
        k += 1;
    }
}

#[inline(always)]
fn backward_block<I: Instructions, T: Real, const M: usize, const K: usize>(
    applied: Applied<'_, T>,
    (mul, channels): (usize, usize),
    first: usize,
    to_z: &mut [Lanes<T>],
    to_radial: &mut [Lanes<T>],
) {
    let Applied {
        z,
        radial,
        grad,
        is_first,
    } = applied;
    let mut own = [[[T::ZERO; LANES]; K]; M];
    for (m, own) in own.iter_mut().enumerate() {
        for (k, own) in own.iter_mut().enumerate() {
            *own = z[m * mul + first + k];
        }
    }
    let mut sums = [[[T::ZERO; LANES]; K]; M];
    for c in 0..channels {
        let mut on_channel = [[T::ZERO; LANES]; M];
        for (m, on_channel) in on_channel.iter_mut().enumerate() {
            *on_channel = grad[m * channels + c];
        }
        for k in 0..K {
            let column = (first + k) * channels + c;
            let weight = radial.at(column);
            let to = &mut to_radial[column * RUNS + radial.run];
            let mut to_weight = if is_first { [T::ZERO; LANES] } else { *to };
            for m in 0..M {
                sums[m][k] = multiply_add::<I, T>(weight, &on_channel[m], &sums[m][k]);
                to_weight = multiply_add::<I, T>(&own[m][k], &on_channel[m], &to_weight);
            }
            *to = to_weight;
        }
    }
    for m in 0..M {
        for k in 0..K {
            let to = &mut to_z[m * mul + first + k];
            *to = add(&sums[m][k], to);
        }
    }
}
