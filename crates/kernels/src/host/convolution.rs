//! The full and the channel-wise convolution, tile by tile.
//!
//! For a tile of edges the radial weights `hidden @ weight` are formed in a buffer that stays in
//! cache, applied to `z = Q_J Y_J f`, and forgotten; the backward pass forms them again. What is
//! stored grows with edges x (features + hidden), never with edges x c_in x c_out x paths.

use std::ops::Range;

use rayon::prelude::*;
use steerable_harmonics::plan::{ConvolutionPlan, Pair};

use super::lanes::{
    Applied, LANES, Lanes, Weights, WeightsMut, apply, apply_backward, couple, couple_backward,
    coupled_len,
};
use super::matmul::{Matrix, add_product};
use super::real::{Real, axpy};
use super::segment::split_rows;

/// Radial weights of one tile that are formed at once, in numbers: 512 KiB in f32.
const SLAB: usize = 1 << 17;
/// Most runs of [`LANES`] edges in a tile.
const MOST_RUNS: usize = 4;
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

/// How the edges and the columns of the radial weights are cut.
struct Tiling<'a, T> {
    slabs: Vec<Slab<'a>>,
    /// Runs of [`LANES`] edges in a tile.
    runs: usize,
    /// Hidden features of a tile for one radial network, `[tile, hidden_width]`, zero behind the end.
    hidden: Vec<T>,
    /// Radial weights of a tile and a slab, `[columns, runs]`.
    radial: Vec<Lanes<T>>,
    /// Coupled features of sixteen edges and a pair.
    coupled: Vec<Lanes<T>>,
    /// Kernel entries of a path.
    entries: Vec<Lanes<T>>,
}

impl<T> Tiling<'_, T> {
    fn edges(&self) -> usize {
        self.runs * LANES
    }
}

/// Rows of packed numbers for the edges of a tile, with the edges in lanes: `[runs, width]`.
struct Packed<T> {
    lanes: Vec<Lanes<T>>,
    width: usize,
}

impl<T: Real> Packed<T> {
    fn new(runs: usize, width: usize) -> Self {
        Self {
            lanes: vec![[T::ZERO; LANES]; runs * width],
            width,
        }
    }

    fn run(&self, run: usize) -> &[Lanes<T>] {
        &self.lanes[run * self.width..(run + 1) * self.width]
    }

    fn run_mut(&mut self, run: usize) -> &mut [Lanes<T>] {
        &mut self.lanes[run * self.width..(run + 1) * self.width]
    }

    /// Takes one row for each edge of a tile; lanes without an edge are zero.
    #[inline(always)]
    fn load<'r>(&mut self, rows: impl ExactSizeIterator<Item = &'r [T]>) {
        let count = rows.len();
        if count < self.lanes.len() / self.width.max(1) * LANES {
            self.lanes.fill([T::ZERO; LANES]);
        }
        for (edge, row) in rows.enumerate() {
            let lane = edge % LANES;
            for (to, &from) in self.run_mut(edge / LANES).iter_mut().zip(row) {
                to[lane] = from;
            }
        }
    }

    fn clear(&mut self) {
        self.lanes.fill([T::ZERO; LANES]);
    }

    /// Adds the row of an edge of the tile to `out`.
    #[inline(always)]
    fn add_to(&self, edge: usize, out: &mut [T]) {
        let lane = edge % LANES;
        for (to, from) in out.iter_mut().zip(self.run(edge / LANES)) {
            *to += from[lane];
        }
    }
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

    fn hidden_stride(&self) -> usize {
        self.plan.num_radials() * self.hidden_width
    }

    fn bias(&self) -> Option<&'a [T]> {
        let columns = self.plan.num_weights();
        let rows = self.hidden_width * columns;
        (self.weight.len() > rows).then(|| &self.weight[rows..])
    }

    fn tiling(&self) -> Tiling<'a, T> {
        let pairs = self.plan.pairs();
        let widest_pair = pairs
            .iter()
            .map(|pair| pair.weights.len())
            .max()
            .unwrap_or(0)
            .max(1);
        let runs = (SLAB / (widest_pair * LANES)).clamp(1, MOST_RUNS);
        let mut slabs = Vec::new();
        let mut first = 0;
        while first < pairs.len() {
            let (radial, start) = (pairs[first].radial, pairs[first].weights.start);
            let mut last = first;
            while last + 1 < pairs.len()
                && pairs[last + 1].radial == radial
                && (pairs[last + 1].weights.end - start) * runs * LANES <= SLAB
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
        let widest = slabs
            .iter()
            .map(|slab| slab.weights.len())
            .max()
            .unwrap_or(0);
        let coupled = pairs.iter().map(coupled_len).max().unwrap_or(0);
        Tiling {
            slabs,
            runs,
            hidden: vec![T::ZERO; runs * LANES * self.hidden_width],
            radial: vec![[T::ZERO; LANES]; runs * widest],
            coupled: vec![[T::ZERO; LANES]; coupled],
            entries: Vec::new(),
        }
    }

    fn threads(&self) -> usize {
        (self.num_edges() / EDGES_PER_THREAD).clamp(1, rayon::current_num_threads())
    }

    fn features_of(&self, edge: usize) -> &'a [T] {
        row(self.features, self.src[edge] as usize, self.dim_in())
    }

    fn harmonics_of(&self, edge: usize) -> &'a [T] {
        row(self.harmonics, edge, self.harmonics_width)
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
            pulp::Arch::new().dispatch(|| self.forward_rows(&rows, out));
        });
        out
    }

    #[inline(always)]
    fn forward_rows(&self, rows: &Range<usize>, out: &mut [T]) {
        let dim_out = self.dim_out();
        let mut tiling = self.tiling();
        let row_of_edge = rows_of_edges(self.row_offsets, rows);
        let edges = edges_of(self.row_offsets, rows);
        let mut x = Packed::new(tiling.runs, self.dim_in());
        let mut y = Packed::new(tiling.runs, self.harmonics_width);
        // A message is summed once it is complete: the same order of additions wherever tiles and
        // threads cut the edges.
        let mut messages = Packed::new(tiling.runs, dim_out);
        for tile in tiles(&edges, tiling.edges()) {
            x.load(tile.clone().map(|edge| self.features_of(edge)));
            y.load(tile.clone().map(|edge| self.harmonics_of(edge)));
            messages.clear();
            for index in 0..tiling.slabs.len() {
                self.form_radial_weights(&mut tiling, index, &tile);
                let Tiling {
                    slabs,
                    runs,
                    radial,
                    coupled,
                    entries,
                    ..
                } = &mut tiling;
                let (slab, stride) = (&slabs[index], *runs);
                for run in 0..tile.len().div_ceil(LANES) {
                    let (x, y, out) = (x.run(run), y.run(run), messages.run_mut(run));
                    for pair in slab.pairs {
                        let coupled = &mut coupled[..coupled_len(pair)];
                        couple(pair, x, y, coupled, entries);
                        let lanes = &radial[slab.columns_of(pair, stride)];
                        let weights = Weights {
                            lanes,
                            stride,
                            first: run,
                        };
                        apply(self.plan.weighting(), pair, coupled, weights, out);
                    }
                }
            }
            for (in_tile, edge) in tile.enumerate() {
                let row = row_of_edge[edge - edges.start];
                messages.add_to(in_tile, &mut out[row * dim_out..(row + 1) * dim_out]);
            }
        }
    }

    /// Radial weights of a tile, `[slab columns, edges]`. Always a full tile, so that the product runs
    /// the same way, bit for bit, wherever the threads cut the edges.
    #[inline(always)]
    fn form_radial_weights(&self, tiling: &mut Tiling<'a, T>, slab: usize, tile: &Range<usize>) {
        let edges = tiling.edges();
        let Tiling {
            slabs,
            runs,
            hidden,
            radial,
            ..
        } = tiling;
        let slab = &slabs[slab];
        let radial = &mut radial[..slab.weights.len() * *runs];
        match self.bias() {
            None => radial.fill([T::ZERO; LANES]),
            Some(bias) => {
                let columns = radial
                    .chunks_exact_mut(*runs)
                    .zip(&bias[slab.weights.clone()]);
                columns.for_each(|(lanes, &bias)| lanes.fill([bias; LANES]));
            }
        }
        let width = self.hidden_width;
        let rows = hidden.chunks_exact_mut(width.max(1)).enumerate();
        for (in_tile, to) in rows {
            if in_tile < tile.len() {
                let first = (tile.start + in_tile) * self.hidden_stride() + slab.radial * width;
                to.copy_from_slice(&self.hidden[first..first + width]);
            } else {
                to.fill(T::ZERO);
            }
        }
        let hidden = Matrix::new(hidden, edges, width, width);
        let weight = self.weight_of(slab);
        add_product(
            radial.as_flattened_mut(),
            edges,
            weight.transposed(),
            hidden.transposed(),
        );
    }

    /// The slab's columns of the last radial layer, without the bias.
    fn weight_of(&self, slab: &Slab<'_>) -> Matrix<'a, T> {
        let (width, columns) = (slab.weights.len(), self.plan.num_weights());
        Matrix::new(
            &self.weight[slab.weights.start..],
            self.hidden_width,
            width,
            columns,
        )
    }

    /// Gradients for the output gradient `grad`, `[num_rows, dim_out]`.
    pub(crate) fn backward(&self, grad: &[T], wanted: Wanted) -> ConvolutionGradients<T> {
        let edges = self.num_edges();
        let sized = |wanted: bool, len: usize| vec![T::ZERO; if wanted { len } else { 0 }];
        let mut edge_features = sized(wanted.features, edges * self.dim_in());
        let mut harmonics = sized(wanted.harmonics, edges * self.harmonics_width);
        let mut hidden = sized(wanted.hidden, edges * self.hidden_stride());

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
                hidden: take(&mut hidden_rest, len(wanted.hidden, self.hidden_stride())),
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
        let mut tiling = self.tiling();
        let row_of_edge = rows_of_edges(self.row_offsets, rows);
        let edges = edges_of(self.row_offsets, rows);
        let mut x = Packed::new(tiling.runs, dim_in);
        let mut y = Packed::new(tiling.runs, self.harmonics_width);
        let mut g = Packed::new(tiling.runs, dim_out);
        let mut to_x = Packed::new(tiling.runs, dim_in);
        let mut to_y = Packed::new(tiling.runs, self.harmonics_width);
        let mut to_radial = tiling.radial.clone();
        let mut to_coupled = tiling.coupled.clone();
        for tile in tiles(&edges, tiling.edges()) {
            let in_chunk = tile.start - edges.start..tile.end - edges.start;
            x.load(tile.clone().map(|edge| self.features_of(edge)));
            y.load(tile.clone().map(|edge| self.harmonics_of(edge)));
            g.load(
                row_of_edge[in_chunk.clone()]
                    .iter()
                    .map(|at| row(grad, rows.start + at, dim_out)),
            );
            to_x.clear();
            to_y.clear();
            let runs = tile.len().div_ceil(LANES);
            for index in 0..tiling.slabs.len() {
                self.form_radial_weights(&mut tiling, index, &tile);
                let Tiling {
                    slabs,
                    runs: stride,
                    radial,
                    coupled,
                    entries,
                    ..
                } = &mut tiling;
                let (slab, stride) = (&slabs[index], *stride);
                for run in 0..runs {
                    let (x, y, grad) = (x.run(run), y.run(run), g.run(run));
                    for pair in slab.pairs {
                        let coupled = &mut coupled[..coupled_len(pair)];
                        let to_coupled = &mut to_coupled[..coupled_len(pair)];
                        couple(pair, x, y, coupled, entries);
                        let columns = slab.columns_of(pair, stride);
                        let lanes = &radial[columns.clone()];
                        let weights = Weights {
                            lanes,
                            stride,
                            first: run,
                        };
                        let lanes = &mut to_radial[columns];
                        apply_backward(
                            self.plan.weighting(),
                            pair,
                            Applied {
                                coupled,
                                weights,
                                grad,
                            },
                            to_coupled,
                            WeightsMut {
                                lanes,
                                stride,
                                first: run,
                            },
                        );
                        let to_x = wanted.features.then(|| to_x.run_mut(run));
                        let to_y = wanted.harmonics.then(|| to_y.run_mut(run));
                        couple_backward(pair, x, y, to_coupled, to_x, to_y);
                    }
                }
                self.radial_backward(&tiling, index, &to_radial, (&tile, &in_chunk), target);
            }
            for (in_tile, edge) in in_chunk.enumerate() {
                if wanted.features {
                    let to = &mut target.edge_features[edge * dim_in..(edge + 1) * dim_in];
                    to_x.add_to(in_tile, to);
                }
                if wanted.harmonics {
                    let width = self.harmonics_width;
                    to_y.add_to(
                        in_tile,
                        &mut target.harmonics[edge * width..(edge + 1) * width],
                    );
                }
            }
        }
    }

    /// Gradients to hidden features and last layer, from those to the radial weights of a tile. The
    /// tile is given by its edges among all and among those of the chunk.
    #[inline(always)]
    fn radial_backward(
        &self,
        tiling: &Tiling<'_, T>,
        slab: usize,
        to_radial: &[Lanes<T>],
        (tile, in_chunk): (&Range<usize>, &Range<usize>),
        target: &mut ChunkGradients<'_, T>,
    ) {
        let slab = &tiling.slabs[slab];
        let (width, columns) = (slab.weights.len(), self.plan.num_weights());
        let stride = self.hidden_stride();
        let gradient = Matrix::new(to_radial.as_flattened(), width, tile.len(), tiling.edges());
        if !target.hidden.is_empty() {
            let first = in_chunk.start * stride + slab.radial * self.hidden_width;
            let to = &mut target.hidden[first..];
            add_product(
                to,
                stride,
                gradient.transposed(),
                self.weight_of(slab).transposed(),
            );
        }
        if !target.weight.is_empty() {
            let first = tile.start * stride + slab.radial * self.hidden_width;
            let hidden = Matrix::new(&self.hidden[first..], tile.len(), self.hidden_width, stride);
            let to = &mut target.weight[slab.weights.start..];
            add_product(to, columns, hidden.transposed(), gradient.transposed());
            if self.bias().is_some() {
                let first = self.hidden_width * columns + slab.weights.start;
                let bias = &mut target.weight[first..first + width];
                let edges = to_radial.as_flattened().chunks_exact(tiling.edges());
                for (to, from) in bias.iter_mut().zip(edges) {
                    *to += from[..tile.len()].iter().fold(T::ZERO, |sum, &g| sum + g);
                }
            }
        }
    }
}

impl Slab<'_> {
    /// Where the radial weights of a pair are among those of the slab.
    fn columns_of(&self, pair: &Pair, runs: usize) -> Range<usize> {
        let first = self.weights.start;
        (pair.weights.start - first) * runs..(pair.weights.end - first) * runs
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

/// Consecutive ranges of at most `len` edges.
fn tiles(edges: &Range<usize>, len: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = edges.end;
    edges
        .clone()
        .step_by(len)
        .map(move |start| start..(start + len).min(end))
}

/// For each edge of `rows`, the row it is summed into, counted from `rows.start`.
fn rows_of_edges(row_offsets: &[i32], rows: &Range<usize>) -> Vec<usize> {
    let mut out = Vec::with_capacity(edges_of(row_offsets, rows).len());
    for (local, row) in rows.clone().enumerate() {
        out.extend((row_offsets[row]..row_offsets[row + 1]).map(|_| local));
    }
    out
}
