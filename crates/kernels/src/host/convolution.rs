//! The full and the channel-wise convolution, tile by tile.
//!
//! For a tile of edges the radial weights `hidden @ weight` are formed in a buffer that stays in
//! cache, applied to `z = Q_J Y_J f`, and forgotten; the backward pass forms them again. What is
//! stored grows with edges x (features + hidden), never with edges x c_in x c_out x paths.

use std::ops::Range;

use rayon::prelude::*;
use steerable_harmonics::plan::{ConvolutionPlan, Pair, Weighting};

use super::matmul::{Matrix, add_product};
use super::real::{Real, axpy, dot};
use super::segment::split_rows;

/// Edges whose radial weights are formed together.
const TILE: usize = 32;
/// Radial weights of one tile that are formed at once, in numbers: 512 KiB in f32.
const SLAB: usize = 1 << 17;
/// Below this many edges a second thread costs more than it brings.
const EDGES_PER_THREAD: usize = 64;

/// The tensors of one convolution, on the host, row-major.
#[derive(Clone, Copy)]
pub(crate) struct Convolution<'a, T> {
    pub(crate) plan: &'a ConvolutionPlan,
    /// `[num_src, dim_in]`
    pub(crate) features: &'a [T],
    /// `[num_edges, harmonics_width]`
    pub(crate) harmonics: &'a [T],
    pub(crate) harmonics_width: usize,
    /// `[num_edges, num_radials * hidden_width]`
    pub(crate) hidden: &'a [T],
    pub(crate) hidden_width: usize,
    /// `[hidden_width, num_weights]`, with one more row when there is a bias.
    pub(crate) weight: &'a [T],
    /// Row of `features` that each edge reads.
    pub(crate) src: &'a [i32],
    /// Edges `row_offsets[i]..row_offsets[i + 1]` are summed into output row i.
    pub(crate) row_offsets: &'a [i32],
}

/// Which gradients the backward pass must form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Gradient to the node features.
    pub features: bool,
    /// Gradient to the harmonics, hence to positions.
    pub harmonics: bool,
    /// Gradient to the hidden radial features.
    pub hidden: bool,
    /// Gradient to the last radial layer.
    pub weight: bool,
}

/// Gradients of one convolution; empty where they were not wanted.
pub(crate) struct ConvolutionGradients<T> {
    /// Per edge, `[num_edges, dim_in]`: still to be summed over the edges of each source.
    pub(crate) edge_features: Vec<T>,
    pub(crate) harmonics: Vec<T>,
    pub(crate) hidden: Vec<T>,
    pub(crate) weight: Vec<T>,
}

/// Consecutive pairs with one radial network, whose weights are formed by one matrix product.
struct Slab<'a> {
    pairs: &'a [Pair],
    radial: usize,
    weights: Range<usize>,
}

struct Scratch<T> {
    /// Hidden features of a tile, `[TILE, hidden_width]`, padded with zeros.
    hidden: Vec<T>,
    radial: Vec<T>,
    radial_gradient: Vec<T>,
    coupled: Vec<T>,
    coupled_gradient: Vec<T>,
}

impl<'a, T: Real> Convolution<'a, T> {
    fn dim_in(&self) -> usize {
        self.plan.irreps_in().dim()
    }

    fn dim_out(&self) -> usize {
        self.plan.irreps_out().dim()
    }

    fn num_edges(&self) -> usize {
        self.src.len()
    }

    fn num_rows(&self) -> usize {
        self.row_offsets.len() - 1
    }

    fn bias(&self) -> Option<&'a [T]> {
        let columns = self.plan.num_weights();
        let rows = self.hidden_width * columns;
        (self.weight.len() > rows).then(|| &self.weight[rows..])
    }

    fn slabs(&self) -> Vec<Slab<'a>> {
        let pairs = self.plan.pairs();
        let mut slabs = Vec::new();
        let mut first = 0;
        while first < pairs.len() {
            let (radial, start) = (pairs[first].radial, pairs[first].weights.start);
            let mut last = first;
            while last + 1 < pairs.len()
                && pairs[last + 1].radial == radial
                && (pairs[last + 1].weights.end - start) * TILE <= SLAB
            {
                last += 1;
            }
            let weights = start..pairs[last].weights.end;
            slabs.push(Slab {
                pairs: &pairs[first..=last],
                radial,
                weights,
            });
            first = last + 1;
        }
        slabs
    }

    fn scratch(&self, slabs: &[Slab<'_>]) -> Scratch<T> {
        let widest = slabs
            .iter()
            .map(|slab| slab.weights.len())
            .max()
            .unwrap_or(0);
        let coupled = self.plan.pairs().iter().map(coupled_len).max().unwrap_or(0);
        Scratch {
            hidden: vec![T::ZERO; TILE * self.hidden_width],
            radial: vec![T::ZERO; TILE * widest],
            radial_gradient: vec![T::ZERO; TILE * widest],
            coupled: vec![T::ZERO; coupled],
            coupled_gradient: vec![T::ZERO; coupled],
        }
    }

    fn threads(&self) -> usize {
        (self.num_edges() / EDGES_PER_THREAD).clamp(1, rayon::current_num_threads())
    }

    /// `[num_rows, dim_out]`: messages summed over each row's edges.
    pub(crate) fn forward(&self) -> Vec<T> {
        let dim_out = self.dim_out();
        let mut out = vec![T::ZERO; self.num_rows() * dim_out];
        let chunks = split_rows(self.row_offsets, self.threads());
        let mut tasks = Vec::with_capacity(chunks.len());
        let mut rest = out.as_mut_slice();
        for rows in chunks {
            let mine = take(&mut rest, rows.len() * dim_out);
            tasks.push((rows, mine));
        }
        tasks.into_par_iter().for_each(|(rows, out)| {
            pulp::Arch::new().dispatch(|| self.forward_rows(rows, out));
        });
        out
    }

    #[inline(always)]
    fn forward_rows(&self, rows: Range<usize>, out: &mut [T]) {
        let (dim_in, dim_out) = (self.dim_in(), self.dim_out());
        let slabs = self.slabs();
        let mut scratch = self.scratch(&slabs);
        let out_row = rows_of_edges(self.row_offsets, &rows);
        let edges = edges_of(self.row_offsets, &rows);
        // Messages are summed edge by edge once they are complete: the same order of additions
        // wherever tiles and threads cut the edges.
        let mut messages = vec![T::ZERO; TILE * dim_out];
        for tile in tiles(&edges) {
            messages.fill(T::ZERO);
            for slab in &slabs {
                self.form_radial_weights(slab, &tile, &mut scratch);
                for (in_tile, edge) in tile.clone().enumerate() {
                    let x = row(self.features, self.src[edge] as usize, dim_in);
                    let y = row(self.harmonics, edge, self.harmonics_width);
                    let weights = row(&scratch.radial, in_tile, slab.weights.len());
                    let message = &mut messages[in_tile * dim_out..(in_tile + 1) * dim_out];
                    for pair in slab.pairs {
                        let coupled = &mut scratch.coupled[..coupled_len(pair)];
                        couple(pair, x, y, coupled);
                        let weights = weights_of(pair, slab, weights);
                        apply(self.plan.weighting(), pair, coupled, weights, message);
                    }
                }
            }
            for (in_tile, edge) in tile.enumerate() {
                let out_row = out_row[edge - edges.start];
                let out = &mut out[out_row * dim_out..(out_row + 1) * dim_out];
                axpy(out, T::ONE, row(&messages, in_tile, dim_out));
            }
        }
    }

    /// Radial weights of a tile, `[TILE, slab columns]`. Always a full tile, so that the product runs
    /// the same way, bit for bit, wherever the threads cut the edges.
    #[inline(always)]
    fn form_radial_weights(&self, slab: &Slab<'_>, tile: &Range<usize>, scratch: &mut Scratch<T>) {
        let (width, columns) = (slab.weights.len(), self.plan.num_weights());
        let radial = &mut scratch.radial[..TILE * width];
        match self.bias() {
            None => radial.fill(T::ZERO),
            Some(bias) => {
                for row in radial.chunks_exact_mut(width.max(1)) {
                    row.copy_from_slice(&bias[slab.weights.clone()]);
                }
            }
        }
        let stride = self.plan.num_radials() * self.hidden_width;
        let first = slab.radial * self.hidden_width;
        let padded = scratch.hidden.chunks_exact_mut(self.hidden_width.max(1));
        for (in_tile, padded) in padded.enumerate() {
            if in_tile < tile.len() {
                let from = (tile.start + in_tile) * stride + first;
                padded.copy_from_slice(&self.hidden[from..from + self.hidden_width]);
            } else {
                padded.fill(T::ZERO);
            }
        }
        let hidden = Matrix::new(&scratch.hidden, TILE, self.hidden_width, self.hidden_width);
        let weight = Matrix::new(
            &self.weight[slab.weights.start..],
            self.hidden_width,
            width,
            columns,
        );
        add_product(radial, width, hidden, weight);
    }

    fn hidden_tile(&self, slab: &Slab<'_>, tile: &Range<usize>) -> Matrix<'a, T> {
        let stride = self.plan.num_radials() * self.hidden_width;
        let first = tile.start * stride + slab.radial * self.hidden_width;
        Matrix::new(&self.hidden[first..], tile.len(), self.hidden_width, stride)
    }

    /// Gradients for the output gradient `grad`, `[num_rows, dim_out]`.
    pub(crate) fn backward(&self, grad: &[T], wanted: Wanted) -> ConvolutionGradients<T> {
        let edges = self.num_edges();
        let hidden_stride = self.plan.num_radials() * self.hidden_width;
        let sized = |wanted: bool, len: usize| vec![T::ZERO; if wanted { len } else { 0 }];
        let mut edge_features = sized(wanted.features, edges * self.dim_in());
        let mut harmonics = sized(wanted.harmonics, edges * self.harmonics_width);
        let mut hidden = sized(wanted.hidden, edges * hidden_stride);

        let chunks = split_rows(self.row_offsets, self.threads());
        let mut tasks = Vec::with_capacity(chunks.len());
        let (mut features_rest, mut harmonics_rest, mut hidden_rest) = (
            edge_features.as_mut_slice(),
            harmonics.as_mut_slice(),
            hidden.as_mut_slice(),
        );
        for rows in chunks {
            let count = edges_of(self.row_offsets, &rows).len();
            let len = |wanted: bool, width: usize| if wanted { count * width } else { 0 };
            let target = ChunkGradients {
                edge_features: take(&mut features_rest, len(wanted.features, self.dim_in())),
                harmonics: take(
                    &mut harmonics_rest,
                    len(wanted.harmonics, self.harmonics_width),
                ),
                hidden: take(&mut hidden_rest, len(wanted.hidden, hidden_stride)),
                weight: sized(wanted.weight, self.weight.len()),
            };
            tasks.push((rows, target));
        }
        let weights: Vec<Vec<T>> = tasks
            .into_par_iter()
            .map(|(rows, mut target)| {
                pulp::Arch::new().dispatch(|| self.backward_rows(&rows, grad, wanted, &mut target));
                target.weight
            })
            .collect();
        // Summed in the order of the chunks: the same bits for the same number of threads.
        let weight = weights
            .into_iter()
            .reduce(|mut sum, part| {
                axpy(&mut sum, T::ONE, &part);
                sum
            })
            .unwrap_or_default();
        ConvolutionGradients {
            edge_features,
            harmonics,
            hidden,
            weight,
        }
    }

    #[inline(always)]
    fn backward_rows(
        &self,
        rows: &Range<usize>,
        grad: &[T],
        wanted: Wanted,
        target: &mut ChunkGradients<'_, T>,
    ) {
        let (dim_in, dim_out) = (self.dim_in(), self.dim_out());
        let slabs = self.slabs();
        let mut scratch = self.scratch(&slabs);
        let out_row = rows_of_edges(self.row_offsets, rows);
        let edges = edges_of(self.row_offsets, rows);
        for tile in tiles(&edges) {
            for slab in &slabs {
                let width = slab.weights.len();
                self.form_radial_weights(slab, &tile, &mut scratch);
                for (in_tile, edge) in tile.clone().enumerate() {
                    let x = row(self.features, self.src[edge] as usize, dim_in);
                    let y = row(self.harmonics, edge, self.harmonics_width);
                    let g = row(grad, rows.start + out_row[edge - edges.start], dim_out);
                    let weights = row(&scratch.radial, in_tile, width);
                    let weights_gradient =
                        &mut scratch.radial_gradient[in_tile * width..(in_tile + 1) * width];
                    let local = edge - edges.start;
                    for pair in slab.pairs {
                        let coupled = &mut scratch.coupled[..coupled_len(pair)];
                        let coupled_gradient = &mut scratch.coupled_gradient[..coupled_len(pair)];
                        couple(pair, x, y, coupled);
                        apply_backward(
                            self.plan.weighting(),
                            pair,
                            ApplyInputs {
                                coupled,
                                weights: weights_of(pair, slab, weights),
                                g,
                            },
                            coupled_gradient,
                            weights_of_mut(pair, slab, weights_gradient),
                        );
                        if wanted.features {
                            let gradient =
                                &mut target.edge_features[local * dim_in..(local + 1) * dim_in];
                            couple_backward_features(pair, y, coupled_gradient, gradient);
                        }
                        if wanted.harmonics {
                            let width = self.harmonics_width;
                            let gradient =
                                &mut target.harmonics[local * width..(local + 1) * width];
                            couple_backward_harmonics(pair, x, coupled_gradient, gradient);
                        }
                    }
                }
                self.radial_backward(
                    slab,
                    &tile,
                    &edges,
                    &scratch.radial_gradient,
                    wanted,
                    target,
                );
            }
        }
    }

    #[inline(always)]
    fn radial_backward(
        &self,
        slab: &Slab<'_>,
        tile: &Range<usize>,
        edges: &Range<usize>,
        radial_gradient: &[T],
        wanted: Wanted,
        target: &mut ChunkGradients<'_, T>,
    ) {
        let (width, columns) = (slab.weights.len(), self.plan.num_weights());
        let gradient = Matrix::new(radial_gradient, tile.len(), width, width);
        if wanted.hidden {
            let stride = self.plan.num_radials() * self.hidden_width;
            let first = (tile.start - edges.start) * stride + slab.radial * self.hidden_width;
            let weight = Matrix::new(
                &self.weight[slab.weights.start..],
                self.hidden_width,
                width,
                columns,
            );
            add_product(
                &mut target.hidden[first..],
                stride,
                gradient,
                weight.transposed(),
            );
        }
        if wanted.weight {
            let out = &mut target.weight[slab.weights.start..];
            add_product(
                out,
                columns,
                self.hidden_tile(slab, tile).transposed(),
                gradient,
            );
            if self.bias().is_some() {
                let first = self.hidden_width * columns + slab.weights.start;
                let bias = &mut target.weight[first..first + width];
                for row in radial_gradient[..tile.len() * width].chunks_exact(width.max(1)) {
                    axpy(bias, T::ONE, row);
                }
            }
        }
    }
}

struct ChunkGradients<'a, T> {
    edge_features: &'a mut [T],
    harmonics: &'a mut [T],
    hidden: &'a mut [T],
    weight: Vec<T>,
}

/// Splits the first `len` numbers off.
fn take<'a, T>(rest: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    let (mine, others) = std::mem::take(rest).split_at_mut(len);
    *rest = others;
    mine
}

fn row<T>(data: &[T], index: usize, width: usize) -> &[T] {
    &data[index * width..(index + 1) * width]
}

fn edges_of(row_offsets: &[i32], rows: &Range<usize>) -> Range<usize> {
    row_offsets[rows.start] as usize..row_offsets[rows.end] as usize
}

fn tiles(edges: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = edges.end;
    edges
        .clone()
        .step_by(TILE)
        .map(move |start| start..(start + TILE).min(end))
}

/// For each edge of `rows`, the row it is summed into, counted from `rows.start`.
fn rows_of_edges(row_offsets: &[i32], rows: &Range<usize>) -> Vec<usize> {
    let mut out = Vec::with_capacity(edges_of(row_offsets, rows).len());
    for (local, row) in rows.clone().enumerate() {
        out.extend((row_offsets[row]..row_offsets[row + 1]).map(|_| local));
    }
    out
}

fn coupled_len(pair: &Pair) -> usize {
    (2 * pair.output.l + 1) * pair.paths.len() * pair.input.mul
}

fn weights_of<'w, T>(pair: &Pair, slab: &Slab<'_>, weights: &'w [T]) -> &'w [T] {
    &weights[pair.weights.start - slab.weights.start..pair.weights.end - slab.weights.start]
}

fn weights_of_mut<'w, T>(pair: &Pair, slab: &Slab<'_>, weights: &'w mut [T]) -> &'w mut [T] {
    &mut weights[pair.weights.start - slab.weights.start..pair.weights.end - slab.weights.start]
}

/// `coupled[m_out, path, c] = sum Q Y x`.
#[inline(always)]
fn couple<T: Real>(pair: &Pair, x: &[T], y: &[T], coupled: &mut [T]) {
    let mul = pair.input.mul;
    let stride = pair.paths.len() * mul;
    let x = &x[pair.input.columns()];
    coupled.fill(T::ZERO);
    for (p, path) in pair.paths.iter().enumerate() {
        for c in &path.terms {
            let at = c.m_out * stride + p * mul;
            let scale = T::of(c.value) * y[c.harmonic];
            axpy(
                &mut coupled[at..at + mul],
                scale,
                &x[c.m_in * mul..(c.m_in + 1) * mul],
            );
        }
    }
}

#[inline(always)]
fn couple_backward_features<T: Real>(pair: &Pair, y: &[T], coupled: &[T], gradient: &mut [T]) {
    let mul = pair.input.mul;
    let stride = pair.paths.len() * mul;
    let gradient = &mut gradient[pair.input.columns()];
    for (p, path) in pair.paths.iter().enumerate() {
        for c in &path.terms {
            let at = c.m_out * stride + p * mul;
            let scale = T::of(c.value) * y[c.harmonic];
            let to = &mut gradient[c.m_in * mul..(c.m_in + 1) * mul];
            axpy(to, scale, &coupled[at..at + mul]);
        }
    }
}

#[inline(always)]
fn couple_backward_harmonics<T: Real>(pair: &Pair, x: &[T], coupled: &[T], gradient: &mut [T]) {
    let mul = pair.input.mul;
    let stride = pair.paths.len() * mul;
    let x = &x[pair.input.columns()];
    for (p, path) in pair.paths.iter().enumerate() {
        for c in &path.terms {
            let at = c.m_out * stride + p * mul;
            let product = dot(&coupled[at..at + mul], &x[c.m_in * mul..(c.m_in + 1) * mul]);
            gradient[c.harmonic] += T::of(c.value) * product;
        }
    }
}

/// `out[m_out, c_out] += sum_k coupled[m_out, k] weights[k, c_out]`, k over (path, c_in).
#[inline(always)]
fn apply<T: Real>(weighting: Weighting, pair: &Pair, coupled: &[T], weights: &[T], out: &mut [T]) {
    let components = 2 * pair.output.l + 1;
    let k_len = pair.paths.len() * pair.input.mul;
    let mul_out = pair.output.mul;
    let out = &mut out[pair.output.columns()];
    match weighting {
        Weighting::Full => {
            for (k, weights) in weights.chunks_exact(mul_out).enumerate() {
                for m in 0..components {
                    let to = &mut out[m * mul_out..(m + 1) * mul_out];
                    axpy(to, coupled[m * k_len + k], weights);
                }
            }
        }
        Weighting::ChannelWise => {
            for (to, from) in out
                .chunks_exact_mut(mul_out)
                .zip(coupled.chunks_exact(mul_out))
            {
                for ((to, &from), &weight) in to.iter_mut().zip(from).zip(weights) {
                    *to += from * weight;
                }
            }
        }
    }
}

struct ApplyInputs<'a, T> {
    coupled: &'a [T],
    weights: &'a [T],
    g: &'a [T],
}

#[inline(always)]
fn apply_backward<T: Real>(
    weighting: Weighting,
    pair: &Pair,
    inputs: ApplyInputs<'_, T>,
    coupled_gradient: &mut [T],
    weights_gradient: &mut [T],
) {
    let ApplyInputs {
        coupled,
        weights,
        g,
    } = inputs;
    let components = 2 * pair.output.l + 1;
    let k_len = pair.paths.len() * pair.input.mul;
    let mul_out = pair.output.mul;
    let g = &g[pair.output.columns()];
    weights_gradient.fill(T::ZERO);
    match weighting {
        Weighting::Full => {
            let rows = weights
                .chunks_exact(mul_out)
                .zip(weights_gradient.chunks_exact_mut(mul_out));
            for (k, (weights, weights_gradient)) in rows.enumerate() {
                for m in 0..components {
                    let g = &g[m * mul_out..(m + 1) * mul_out];
                    axpy(weights_gradient, coupled[m * k_len + k], g);
                    coupled_gradient[m * k_len + k] = dot(g, weights);
                }
            }
        }
        Weighting::ChannelWise => {
            for m in 0..components {
                for c in 0..mul_out {
                    let at = m * mul_out + c;
                    weights_gradient[c] += coupled[at] * g[at];
                    coupled_gradient[at] = weights[c] * g[at];
                }
            }
        }
    }
}
