//! The radial weights of sixty-four edges, `R = hidden @ weight`, a few columns at a time in a buffer that
//! stays in cache, and the gradients that return through them.

use std::ops::Range;

use super::lanes::{LANES, Lanes};
use super::last_layer::{Layer, WeightGradient};
use super::program::Group;
use super::tiles::Tile;
use super::{Convolution, Wanted};
use crate::host::matmul::{Matrix, add_product, set_product};
use crate::host::real::Real;

/// Runs of edges whose radial weights are formed at once.
pub(crate) const RUNS: usize = 4;
/// Numbers of one column and of one hidden feature: the edges of all runs.
const WIDTH: usize = RUNS * LANES;
/// Radial weights formed at once, in numbers: 512 KiB in f32.
const SLAB: usize = 1 << 17;

/// Up to [`RUNS`] runs of a tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Runs of the tile.
    pub(super) runs: Range<usize>,
    /// Edges, counted among all.
    pub(super) edges: Range<usize>,
}

impl Span {
    /// The spans of a tile.
    pub(super) fn all(tile: &Tile) -> impl Iterator<Item = Self> + use<> {
        let (edges, runs) = (tile.edges.clone(), tile.runs());
        (0..runs).step_by(RUNS).map(move |first| {
            let start = edges.start + first * LANES;
            Self {
                runs: first..(first + RUNS).min(runs),
                edges: start..(start + WIDTH).min(edges.end),
            }
        })
    }

    /// The parts of a group whose radial weights fit into the buffer together.
    pub(super) fn slabs<T>(&self, group: &Group<'_, T>) -> impl Iterator<Item = Slab> + use<'_, T> {
        let (parts, at_once) = (group.parts(), parts_at_once(group));
        (0..parts).step_by(at_once).map(move |part| Slab {
            parts: part..(part + at_once).min(parts),
            span: self.clone(),
        })
    }
}

/// How many parts of a group fit into the buffer; at least one.
fn parts_at_once<T>(group: &Group<'_, T>) -> usize {
    let per_part = group.input.mul * group.channels_out() * WIDTH;
    (SLAB / per_part.max(1)).clamp(1, group.parts().max(1))
}

/// Which parts of a group are worked on, for which edges.
pub(super) struct Slab {
    pub(super) parts: Range<usize>,
    pub(super) span: Span,
}

/// Buffers of one thread.
pub(super) struct RadialWeights<T> {
    /// `[columns, RUNS]`, those of all members of a group one after the other.
    pub(super) formed: Vec<Lanes<T>>,
    /// The gradient to them.
    pub(super) gradient: Vec<Lanes<T>>,
    /// Hidden features of the span's edges and the gradient to them, `[hidden, RUNS]`.
    hidden: Vec<Lanes<T>>,
    to_hidden: Vec<Lanes<T>>,
    /// The radial network and the edges that `hidden` holds.
    held: Option<(usize, Range<usize>)>,
}

impl<T: Real> RadialWeights<T> {
    pub(super) fn new<'g>(
        groups: impl Iterator<Item = &'g Group<'g, T>>,
        hidden: usize,
        backward: bool,
    ) -> Self
    where
        T: 'g,
    {
        let columns = groups
            .map(|group| parts_at_once(group) * group.input.mul * group.channels_out())
            .max();
        let zeros = |len: usize| vec![[T::ZERO; LANES]; len];
        let (columns, back) = (columns.unwrap_or(0), usize::from(backward));
        Self {
            formed: zeros(columns * RUNS),
            gradient: zeros(columns * RUNS * back),
            hidden: zeros(hidden * RUNS),
            to_hidden: zeros(hidden * RUNS * back),
            held: None,
        }
    }

    pub(super) fn form(
        &mut self,
        convolution: &Convolution<'_, T>,
        layer: Layer<'_, T>,
        group: &Group<'_, T>,
        slab: &Slab,
    ) {
        let edges = &slab.span.edges;
        self.hold(convolution, group.radial, edges);
        let hidden = self.hidden.as_flattened();
        let hidden = Matrix::new(hidden, convolution.hidden_width, edges.len(), WIDTH);
        for (columns, buffer) in members(group, slab) {
            let radial = &mut self.formed[buffer];
            let weight = layer.by_column(&columns);
            match layer.bias() {
                None => set_product(radial.as_flattened_mut(), WIDTH, weight, hidden),
                Some(bias) => {
                    let columns = radial.chunks_exact_mut(RUNS).zip(&bias[columns]);
                    columns.for_each(|(lanes, &bias)| lanes.fill([bias; LANES]));
                    add_product(radial.as_flattened_mut(), WIDTH, weight, hidden);
                }
            }
        }
    }

    /// Edges side by side, so that no product has to rearrange its operands.
    fn hold(&mut self, convolution: &Convolution<'_, T>, radial: usize, edges: &Range<usize>) {
        let wanted = Some((radial, edges.clone()));
        if self.held == wanted {
            return;
        }
        self.held = wanted;
        let hidden = self.hidden.as_flattened_mut();
        let (width, stride) = (convolution.hidden_width, convolution.hidden_stride());
        for (at, edge) in edges.clone().enumerate() {
            let row = &convolution.hidden[edge * stride + radial * width..][..width];
            for (h, &value) in row.iter().enumerate() {
                hidden[h * WIDTH + at] = value;
            }
        }
    }

    /// Adds the gradients to the hidden features of a tile's edges and to the last layer, from
    /// [`Self::gradient`].
    pub(super) fn backward(
        &mut self,
        convolution: &Convolution<'_, T>,
        layer: Layer<'_, T>,
        (group, slab): (&Group<'_, T>, &Slab),
        wanted: Wanted,
        (tile, hidden): (&Tile, &mut [T]),
        to_weight: &mut WeightGradient<T>,
    ) {
        let edges = &slab.span.edges;
        let (count, width) = (edges.len(), convolution.hidden_width);
        for (member, (columns, buffer)) in members(group, slab).enumerate() {
            let gradient = self.gradient[buffer].as_flattened();
            let by_column = Matrix::new(gradient, columns.len(), count, WIDTH);
            if wanted.hidden {
                let product: fn(&mut [T], usize, Matrix<'_, T>, Matrix<'_, T>) = match member {
                    0 => set_product,
                    _ => add_product,
                };
                let to = self.to_hidden.as_flattened_mut();
                product(to, WIDTH, layer.weight_of(&columns), by_column);
            }
            if wanted.weight {
                let hidden = convolution.hidden_of(group.radial, edges);
                let to = &mut to_weight.packed[columns.start * width..];
                add_product(to, width, by_column, hidden);
                if let Some(to) = to_weight.bias.get_mut(columns) {
                    for (to, edges) in to.iter_mut().zip(gradient.chunks_exact(WIDTH)) {
                        *to += edges[..count].iter().fold(T::ZERO, |sum, &g| sum + g);
                    }
                }
            }
        }
        if wanted.hidden {
            let stride = convolution.hidden_stride();
            let to_hidden = self.to_hidden.as_flattened();
            for at in 0..count {
                let edge = edges.start - tile.edges.start + at;
                let row = &mut hidden[edge * stride + group.radial * width..][..width];
                for (h, to) in row.iter_mut().enumerate() {
                    *to += to_hidden[h * WIDTH + at];
                }
            }
        }
    }
}

/// For each member of a group, its columns of the layer and their place in the buffer.
fn members<T>(
    group: &Group<'_, T>,
    slab: &Slab,
) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let mut first = 0;
    group
        .columns_of_members(slab.parts.clone())
        .map(move |columns| {
            let buffer = first * RUNS..(first + columns.len()) * RUNS;
            first += columns.len();
            (columns, buffer)
        })
}
