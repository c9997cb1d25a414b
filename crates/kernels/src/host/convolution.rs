//! The full and the channel-wise convolution, tile by tile.
//!
//! For a tile of edges the radial weights `hidden @ weight` are formed in a buffer that stays in
//! cache, applied to `z = Q_J Y_J f`, and forgotten; the backward pass forms them again. What is
//! stored grows with edges x (features + hidden), never with edges x c_in x c_out x paths.
//!
//! The edges of a tile lie side by side in SIMD lanes: every loop below runs over whole vectors,
//! however few the channels, and no sum runs across lanes.

use std::ops::Range;

use rayon::prelude::*;
use steerable_harmonics::plan::{ConvolutionPlan, Pair, Weighting};

use super::matmul::{Matrix, add_product};
use super::real::{Real, axpy};
use super::segment::split_rows;

/// Edges whose radial weights are formed together.
const TILE: usize = 32;

/// One number of each edge of a tile.
type Lanes<T> = [T; TILE];

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

/// What a thread keeps in cache for the tile at hand; unused lanes of the last tile hold zeros.
struct Scratch<T> {
    features: Vec<Lanes<T>>,
    harmonics: Vec<Lanes<T>>,
    hidden: Vec<Lanes<T>>,
    radial: Vec<Lanes<T>>,
    coupled: Vec<Lanes<T>>,
    /// Messages on the way forward, their gradients on the way back.
    messages: Vec<Lanes<T>>,
}

/// The gradients beside a [`Scratch`].
struct GradientScratch<T> {
    features: Vec<Lanes<T>>,
    harmonics: Vec<Lanes<T>>,
    radial: Vec<Lanes<T>>,
    coupled: Vec<Lanes<T>>,
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
        Scratch {
            features: lanes(self.dim_in()),
            harmonics: lanes(self.harmonics_width),
            hidden: lanes(self.hidden_width),
            radial: lanes(widest(slabs)),
            coupled: lanes(self.longest_coupled()),
            messages: lanes(self.dim_out()),
        }
    }

    fn gradient_scratch(&self, slabs: &[Slab<'_>]) -> GradientScratch<T> {
        GradientScratch {
            features: lanes(self.dim_in()),
            harmonics: lanes(self.harmonics_width),
            radial: lanes(widest(slabs)),
            coupled: lanes(self.longest_coupled()),
        }
    }

    fn longest_coupled(&self) -> usize {
        self.plan.pairs().iter().map(coupled_len).max().unwrap_or(0)
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
        let dim_out = self.dim_out();
        let slabs = self.slabs();
        let mut scratch = self.scratch(&slabs);
        let out_row = rows_of_edges(self.row_offsets, &rows);
        let edges = edges_of(self.row_offsets, &rows);
        for tile in tiles(&edges) {
            self.load_edges(&tile, &mut scratch);
            scratch.messages.fill([T::ZERO; TILE]);
            for slab in &slabs {
                self.form_radial_weights(slab, &tile, &mut scratch);
                for pair in slab.pairs {
                    let coupled = &mut scratch.coupled[..coupled_len(pair)];
                    couple(pair, &scratch.features, &scratch.harmonics, coupled);
                    let weights = &scratch.radial[columns_of(pair, slab)];
                    let weighting = self.plan.weighting();
                    apply(weighting, pair, coupled, weights, &mut scratch.messages);
                }
            }
            // Edge by edge: the same order of additions wherever tiles and threads cut the edges.
            for (lane, edge) in tile.enumerate() {
                let out_row = out_row[edge - edges.start];
                let out = &mut out[out_row * dim_out..(out_row + 1) * dim_out];
                add_lane(&scratch.messages, lane, out);
            }
        }
    }

    #[inline(always)]
    fn load_edges(&self, tile: &Range<usize>, scratch: &mut Scratch<T>) {
        let (dim_in, width) = (self.dim_in(), self.harmonics_width);
        load(&mut scratch.features, tile, |edge| {
            row(self.features, self.src[edge] as usize, dim_in)
        });
        load(&mut scratch.harmonics, tile, |edge| {
            row(self.harmonics, edge, width)
        });
    }

    /// Radial weights of a tile, `[slab columns, TILE]`. Always a full tile, so that the product runs
    /// the same way, bit for bit, wherever the threads cut the edges.
    #[inline(always)]
    fn form_radial_weights(&self, slab: &Slab<'_>, tile: &Range<usize>, scratch: &mut Scratch<T>) {
        let width = slab.weights.len();
        let radial = &mut scratch.radial[..width];
        match self.bias() {
            None => radial.fill([T::ZERO; TILE]),
            Some(bias) => {
                for (radial, &bias) in radial.iter_mut().zip(&bias[slab.weights.clone()]) {
                    *radial = [bias; TILE];
                }
            }
        }
        let stride = self.plan.num_radials() * self.hidden_width;
        load(&mut scratch.hidden, tile, |edge| {
            let first = edge * stride + slab.radial * self.hidden_width;
            &self.hidden[first..first + self.hidden_width]
        });
        let hidden = Matrix::new(scratch.hidden.as_flattened(), self.hidden_width, TILE, TILE);
        let weight = self.weight_of(slab).transposed();
        add_product(radial.as_flattened_mut(), TILE, weight, hidden);
    }

    fn weight_of(&self, slab: &Slab<'_>) -> Matrix<'a, T> {
        let (width, columns) = (slab.weights.len(), self.plan.num_weights());
        Matrix::new(
            &self.weight[slab.weights.start..],
            self.hidden_width,
            width,
            columns,
        )
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
        let mut gradients = self.gradient_scratch(&slabs);
        let out_row = rows_of_edges(self.row_offsets, rows);
        let edges = edges_of(self.row_offsets, rows);
        for tile in tiles(&edges) {
            self.load_edges(&tile, &mut scratch);
            load(&mut scratch.messages, &tile, |edge| {
                row(grad, rows.start + out_row[edge - edges.start], dim_out)
            });
            gradients.features.fill([T::ZERO; TILE]);
            gradients.harmonics.fill([T::ZERO; TILE]);
            for slab in &slabs {
                self.form_radial_weights(slab, &tile, &mut scratch);
                for pair in slab.pairs {
                    self.pair_backward(pair, slab, wanted, &mut scratch, &mut gradients);
                }
                let radial = &gradients.radial[..slab.weights.len()];
                self.radial_backward(slab, &tile, &edges, radial, wanted, target);
            }
            for (lane, edge) in tile.enumerate() {
                let local = edge - edges.start;
                if wanted.features {
                    let to = &mut target.edge_features[local * dim_in..(local + 1) * dim_in];
                    add_lane(&gradients.features, lane, to);
                }
                if wanted.harmonics {
                    let width = self.harmonics_width;
                    let to = &mut target.harmonics[local * width..(local + 1) * width];
                    add_lane(&gradients.harmonics, lane, to);
                }
            }
        }
    }

    #[inline(always)]
    fn pair_backward(
        &self,
        pair: &Pair,
        slab: &Slab<'_>,
        wanted: Wanted,
        scratch: &mut Scratch<T>,
        gradients: &mut GradientScratch<T>,
    ) {
        let coupled = &mut scratch.coupled[..coupled_len(pair)];
        let coupled_gradient = &mut gradients.coupled[..coupled_len(pair)];
        couple(pair, &scratch.features, &scratch.harmonics, coupled);
        let inputs = ApplyInputs {
            coupled,
            weights: &scratch.radial[columns_of(pair, slab)],
            g: &scratch.messages,
        };
        let weights_gradient = &mut gradients.radial[columns_of(pair, slab)];
        apply_backward(
            self.plan.weighting(),
            pair,
            inputs,
            coupled_gradient,
            weights_gradient,
        );
        if wanted.features {
            let to = &mut gradients.features;
            couple_backward_features(pair, &scratch.harmonics, coupled_gradient, to);
        }
        if wanted.harmonics {
            let to = &mut gradients.harmonics;
            couple_backward_harmonics(pair, &scratch.features, coupled_gradient, to);
        }
    }

    #[inline(always)]
    fn radial_backward(
        &self,
        slab: &Slab<'_>,
        tile: &Range<usize>,
        edges: &Range<usize>,
        radial_gradient: &[Lanes<T>],
        wanted: Wanted,
        target: &mut ChunkGradients<'_, T>,
    ) {
        let (width, columns) = (slab.weights.len(), self.plan.num_weights());
        let gradient =
            Matrix::new(radial_gradient.as_flattened(), width, tile.len(), TILE).transposed();
        if wanted.hidden {
            let stride = self.plan.num_radials() * self.hidden_width;
            let first = (tile.start - edges.start) * stride + slab.radial * self.hidden_width;
            let to = &mut target.hidden[first..];
            add_product(to, stride, gradient, self.weight_of(slab).transposed());
        }
        if wanted.weight {
            let out = &mut target.weight[slab.weights.start..];
            let hidden = self.hidden_tile(slab, tile).transposed();
            add_product(out, columns, hidden, gradient);
            if self.bias().is_some() {
                let first = self.hidden_width * columns + slab.weights.start;
                let bias = &mut target.weight[first..first + width];
                for (bias, lanes) in bias.iter_mut().zip(radial_gradient) {
                    for &lane in &lanes[..tile.len()] {
                        *bias += lane;
                    }
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

/// The columns of a pair inside its slab.
fn columns_of(pair: &Pair, slab: &Slab<'_>) -> Range<usize> {
    pair.weights.start - slab.weights.start..pair.weights.end - slab.weights.start
}

fn widest(slabs: &[Slab<'_>]) -> usize {
    slabs
        .iter()
        .map(|slab| slab.weights.len())
        .max()
        .unwrap_or(0)
}

fn lanes<T: Real>(len: usize) -> Vec<Lanes<T>> {
    vec![[T::ZERO; TILE]; len]
}

/// Lays the rows of a tile's edges side by side.
#[inline(always)]
fn load<'r, T: Real>(lanes: &mut [Lanes<T>], tile: &Range<usize>, row: impl Fn(usize) -> &'r [T]) {
    if tile.len() < TILE {
        lanes.fill([T::ZERO; TILE]);
    }
    for (lane, edge) in tile.clone().enumerate() {
        for (lanes, &value) in lanes.iter_mut().zip(row(edge)) {
            lanes[lane] = value;
        }
    }
}

/// Adds one edge's numbers to a row.
#[inline(always)]
fn add_lane<T: Real>(lanes: &[Lanes<T>], lane: usize, row: &mut [T]) {
    for (to, from) in row.iter_mut().zip(lanes) {
        *to += from[lane];
    }
}

/// `y += a * x`, lane by lane.
#[inline(always)]
fn add_scaled<T: Real>(y: &mut Lanes<T>, a: &Lanes<T>, x: &Lanes<T>) {
    for lane in 0..TILE {
        y[lane] += a[lane] * x[lane];
    }
}

#[inline(always)]
fn times<T: Real>(a: T, x: &Lanes<T>) -> Lanes<T> {
    x.map(|x| a * x)
}

/// `coupled[m_out, path, c] = sum Q Y x`.
#[inline(always)]
fn couple<T: Real>(pair: &Pair, x: &[Lanes<T>], y: &[Lanes<T>], coupled: &mut [Lanes<T>]) {
    let mul = pair.input.mul;
    let stride = pair.paths.len() * mul;
    let x = &x[pair.input.columns()];
    coupled.fill([T::ZERO; TILE]);
    for (p, path) in pair.paths.iter().enumerate() {
        for term in &path.terms {
            let at = term.m_out * stride + p * mul;
            let scale = times(T::of(term.value), &y[term.harmonic]);
            let from = &x[term.m_in * mul..(term.m_in + 1) * mul];
            for (to, from) in coupled[at..at + mul].iter_mut().zip(from) {
                add_scaled(to, &scale, from);
            }
        }
    }
}

#[inline(always)]
fn couple_backward_features<T: Real>(
    pair: &Pair,
    y: &[Lanes<T>],
    coupled: &[Lanes<T>],
    gradient: &mut [Lanes<T>],
) {
    let mul = pair.input.mul;
    let stride = pair.paths.len() * mul;
    let gradient = &mut gradient[pair.input.columns()];
    for (p, path) in pair.paths.iter().enumerate() {
        for term in &path.terms {
            let at = term.m_out * stride + p * mul;
            let scale = times(T::of(term.value), &y[term.harmonic]);
            let to = &mut gradient[term.m_in * mul..(term.m_in + 1) * mul];
            for (to, from) in to.iter_mut().zip(&coupled[at..at + mul]) {
                add_scaled(to, &scale, from);
            }
        }
    }
}

#[inline(always)]
fn couple_backward_harmonics<T: Real>(
    pair: &Pair,
    x: &[Lanes<T>],
    coupled: &[Lanes<T>],
    gradient: &mut [Lanes<T>],
) {
    let mul = pair.input.mul;
    let stride = pair.paths.len() * mul;
    let x = &x[pair.input.columns()];
    for (p, path) in pair.paths.iter().enumerate() {
        for term in &path.terms {
            let at = term.m_out * stride + p * mul;
            let mut product = [T::ZERO; TILE];
            let x = &x[term.m_in * mul..(term.m_in + 1) * mul];
            for (coupled, x) in coupled[at..at + mul].iter().zip(x) {
                add_scaled(&mut product, coupled, x);
            }
            add_scaled(
                &mut gradient[term.harmonic],
                &[T::of(term.value); TILE],
                &product,
            );
        }
    }
}

/// `out[m_out, c_out] += sum_k coupled[m_out, k] weights[k, c_out]`, k over (path, c_in).
#[inline(always)]
fn apply<T: Real>(
    weighting: Weighting,
    pair: &Pair,
    coupled: &[Lanes<T>],
    weights: &[Lanes<T>],
    out: &mut [Lanes<T>],
) {
    let components = 2 * pair.output.l + 1;
    let k_len = pair.paths.len() * pair.input.mul;
    let mul_out = pair.output.mul;
    let out = &mut out[pair.output.columns()];
    match weighting {
        Weighting::Full => {
            for m in 0..components {
                let coupled = &coupled[m * k_len..(m + 1) * k_len];
                for (c, out) in out[m * mul_out..(m + 1) * mul_out].iter_mut().enumerate() {
                    let mut sum = *out;
                    let weights = weights[c..].iter().step_by(mul_out);
                    for (coupled, weight) in coupled.iter().zip(weights) {
                        add_scaled(&mut sum, coupled, weight);
                    }
                    *out = sum;
                }
            }
        }
        Weighting::ChannelWise => {
            for m in 0..components {
                for (c, weight) in weights.iter().enumerate() {
                    add_scaled(&mut out[m * mul_out + c], &coupled[m * mul_out + c], weight);
                }
            }
        }
    }
}

struct ApplyInputs<'a, T> {
    coupled: &'a [Lanes<T>],
    weights: &'a [Lanes<T>],
    g: &'a [Lanes<T>],
}

#[inline(always)]
fn apply_backward<T: Real>(
    weighting: Weighting,
    pair: &Pair,
    inputs: ApplyInputs<'_, T>,
    coupled_gradient: &mut [Lanes<T>],
    weights_gradient: &mut [Lanes<T>],
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
    weights_gradient.fill([T::ZERO; TILE]);
    match weighting {
        Weighting::Full => {
            let rows = weights
                .chunks_exact(mul_out)
                .zip(weights_gradient.chunks_exact_mut(mul_out));
            for (k, (weights, weights_gradient)) in rows.enumerate() {
                for m in 0..components {
                    let coupled = &coupled[m * k_len + k];
                    let mut sum = [T::ZERO; TILE];
                    let g = &g[m * mul_out..(m + 1) * mul_out];
                    for ((g, weight), to) in g.iter().zip(weights).zip(&mut *weights_gradient) {
                        add_scaled(&mut sum, g, weight);
                        add_scaled(to, coupled, g);
                    }
                    coupled_gradient[m * k_len + k] = sum;
                }
            }
        }
        Weighting::ChannelWise => {
            for m in 0..components {
                for c in 0..mul_out {
                    let at = m * mul_out + c;
                    add_scaled(&mut weights_gradient[c], &coupled[at], &g[at]);
                    coupled_gradient[at] = [T::ZERO; TILE];
                    add_scaled(&mut coupled_gradient[at], &weights[c], &g[at]);
                }
            }
        }
    }
}
