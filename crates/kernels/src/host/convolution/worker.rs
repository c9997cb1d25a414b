//! What one thread does, in buffers of its own: tile after tile, but groups by strips over many tiles each.

use std::ops::Range;

use steerable_harmonics::plan::Weighting;

use super::channel_wise::ChannelWise;
use super::edge_frames::{self, EdgeFrames};
use super::edge_weights::EdgeWeights;
use super::gradients::{EdgeRows, TileGradients};
use super::lanes::Packed;
use super::last_layer::{Layer, PackedWeight, WeightGradient};
use super::program::{Group, Order, Program};
use super::row_sums::{Job, RowSums};
use super::sparse_edges::{self, SparseEdges};
use super::strips::{self, Unit};
use super::tiles::{Segment, Tile};
use super::{Convolution, Wanted, row};
use crate::host::real::Real;

/// What is read of a tile: its segments, the features of the sources and the harmonics.
struct Loaded<T> {
    segments: Vec<Segment>,
    /// The row of each edge.
    rows: Vec<usize>,
    x: Packed<T>,
    y: Packed<T>,
}

impl<T: Real> Loaded<T> {
    fn load(&mut self, convolution: &Convolution<'_, T>, tile: &Tile) {
        self.segments.clear();
        self.segments.extend(tile.segments(convolution.row_offsets));
        let edges = || tile.edges.clone();
        self.x
            .load(edges().map(|edge| convolution.features_of(edge)));
        self.y
            .load(edges().map(|edge| convolution.harmonics_of(edge)));
    }

    fn job<'a>(
        &'a self,
        convolution: &'a Convolution<'a, T>,
        group: &'a Group<'a, T>,
        packed: &'a PackedWeight<T>,
        tile: &'a Tile,
    ) -> Job<'a, T> {
        Job {
            convolution,
            group,
            packed,
            tile,
            segments: &self.segments,
            x: &self.x,
            y: &self.y,
        }
    }
}

/// One thread's buffers.
pub(super) struct Worker<T> {
    tile: Loaded<T>,
    /// Messages of the tile's edges, or the gradient to them.
    messages: Packed<T>,
    to_x: Packed<T>,
    to_y: Packed<T>,
    edge_weights: EdgeWeights<T>,
    row_sums: RowSums<T>,
    sparse_edges: SparseEdges<T>,
    edge_frames: Option<EdgeFrames<T>>,
    channel_wise: Option<ChannelWise<T>>,
    /// This thread's part of the gradient to the last radial layer.
    pub(super) to_weight: WeightGradient<T>,
    /// That to the pairs that go by strips, the bias among them.
    pub(super) to_strips: Vec<Unit<T>>,
    /// The same for the layer that is folded for the frames of the edges.
    pub(super) to_folded: WeightGradient<T>,
}

impl<T: Real> Worker<T> {
    pub(super) fn new(
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        wanted: Option<Wanted>,
    ) -> Self {
        let tiles = || program.tiles.iter();
        let runs = tiles().map(Tile::runs).max().unwrap_or(0);
        let segments = tiles().map(|tile| tile.segments(convolution.row_offsets).count());
        let (dim_in, dim_out) = (convolution.dim_in(), convolution.dim_out());
        let is_full = convolution.plan.weighting() == Weighting::Full;
        let in_lanes = program.has_lanes();
        let has_bias = convolution.bias().is_some();
        let wants = |gradient: fn(&Wanted) -> bool| wanted.as_ref().is_some_and(gradient);
        let packed =
            |is_needed: bool, width: usize| Packed::new(if is_needed { runs } else { 0 }, width);
        let has_messages = program.has(Order::EdgeWeights) || program.framing.is_some();
        let gradient = |layer: Option<Layer<'_, T>>| match layer {
            Some(layer) if wants(|w| w.weight) => WeightGradient::zeros(layer),
            _ => WeightGradient::default(),
        };
        let framing = program.framing.as_ref();
        let rows = match program.has(Order::RowSums) {
            true => segments.max().unwrap_or(0),
            false => 0,
        };
        Self {
            tile: Loaded {
                segments: Vec::new(),
                rows: Vec::new(),
                x: packed(in_lanes, dim_in),
                y: packed(in_lanes, convolution.harmonics_width),
            },
            messages: packed(has_messages, dim_out),
            to_x: packed(in_lanes && wants(|w| w.features), dim_in),
            to_y: packed(
                in_lanes && wants(|w| w.harmonics),
                convolution.harmonics_width,
            ),
            edge_weights: EdgeWeights::new(
                program.groups_in(Order::EdgeWeights),
                convolution.hidden_width,
                wanted.is_some(),
            ),
            row_sums: RowSums::new(
                &program.groups,
                convolution.hidden_width,
                has_bias,
                (runs, rows),
                wanted.is_some(),
            ),
            sparse_edges: SparseEdges::new(convolution, program, wanted.is_some()),
            channel_wise: (!is_full).then(|| ChannelWise::new(convolution, wanted)),
            edge_frames: framing
                .map(|framing| EdgeFrames::new(convolution, program, framing, wanted.is_some())),
            to_weight: gradient((!is_full || in_lanes).then(|| convolution.layer())),
            to_strips: match wants(|w| w.weight) {
                true => strips::gradient(convolution, program),
                false => Vec::new(),
            },
            to_folded: gradient(framing.map(|framing| framing.layer.layer())),
        }
    }

    /// Adds the messages of a run of tiles to their rows; `out` begins with row `first_row`.
    pub(super) fn forward(
        &mut self,
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        packed: &PackedWeight<T>,
        run: Range<usize>,
        out: &mut [T],
        first_row: usize,
    ) {
        let tiles = &program.tiles[run.clone()];
        if let Some(channel_wise) = &mut self.channel_wise {
            for tile in tiles {
                channel_wise.forward(convolution, tile, out, first_row);
            }
            return;
        }
        if program.has_lanes() {
            for tile in tiles {
                self.forward_in_lanes(convolution, program, packed, tile, out, first_row);
            }
        }
        if program.has(Order::SparseEdgeWeights) {
            let job = sparse_edges::Job {
                convolution,
                program,
                strips: &packed.strips,
            };
            for tiles in program.tiles_together(run) {
                self.sparse_edges.forward(job, tiles, out, first_row);
            }
        }
    }

    /// The groups that have the edges side by side.
    fn forward_in_lanes(
        &mut self,
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        packed: &PackedWeight<T>,
        tile: &Tile,
        out: &mut [T],
        first_row: usize,
    ) {
        self.tile.load(convolution, tile);
        for group in program.groups_in(Order::RowSums) {
            let job = self.tile.job(convolution, group, packed, tile);
            self.row_sums.forward(job, out, first_row);
        }
        if !program.has(Order::EdgeWeights) && program.framing.is_none() {
            return;
        }
        self.messages.clear(tile.runs());
        if let Some((edge_frames, framing)) =
            self.edge_frames.as_mut().zip(program.framing.as_ref())
        {
            let job = edge_frames::Job {
                convolution,
                program,
                framing,
                tile,
            };
            edge_frames.forward(job, &self.tile.x, &mut self.messages);
        }
        for group in program.groups_in(Order::EdgeWeights) {
            let (x, y) = (&self.tile.x, &self.tile.y);
            let messages = &mut self.messages;
            let weights = (convolution, packed.layer(convolution));
            self.edge_weights
                .forward(weights, group, tile, x, y, messages);
        }
        // A message is summed once it is complete: one order of additions for each row.
        let dim_out = convolution.dim_out();
        for segment in &self.tile.segments {
            let out = &mut out[(segment.row - first_row) * dim_out..][..dim_out];
            for edge in segment.edges.clone() {
                self.messages.add_to(edge, out);
            }
        }
    }

    /// The gradients for a run of tiles. `rows` are those of their edges: to harmonics and hidden features is
    /// added, what the features had is overwritten.
    pub(super) fn backward(
        &mut self,
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        packed: &PackedWeight<T>,
        tiles: &[Tile],
        (grad, wanted): (&[T], Wanted),
        mut rows: EdgeRows<'_, T>,
    ) {
        let inputs = (grad, wanted);
        if let Some(channel_wise) = &mut self.channel_wise {
            for tile in tiles {
                let (rows, to_weight) = (rows.of(&tile.edges), &mut self.to_weight);
                let read = (grad, packed);
                channel_wise.backward(convolution, tile, read, wanted, rows, to_weight);
            }
            return;
        }
        if program.has_lanes() {
            for tile in tiles {
                let rows = rows.of(&tile.edges);
                self.backward_in_lanes(convolution, program, packed, tile, inputs, rows);
            }
        } else {
            rows.features.fill(T::ZERO);
        }
        if program.has(Order::SparseEdgeWeights) {
            let job = sparse_edges::Job {
                convolution,
                program,
                strips: &packed.strips,
            };
            self.sparse_edges
                .backward(job, tiles, inputs, &mut rows, &mut self.to_strips);
        }
    }

    /// The groups that have the edges side by side.
    fn backward_in_lanes(
        &mut self,
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        packed: &PackedWeight<T>,
        tile: &Tile,
        (grad, wanted): (&[T], Wanted),
        rows: EdgeRows<'_, T>,
    ) {
        self.tile.load(convolution, tile);
        let (dim_in, dim_out) = (convolution.dim_in(), convolution.dim_out());
        if wanted.features {
            self.to_x.clear(tile.runs());
        }
        if wanted.harmonics {
            self.to_y.clear(tile.runs());
        }
        let mut gradients = TileGradients {
            x: &mut self.to_x,
            y: &mut self.to_y,
            hidden: rows.hidden,
            weight: &mut self.to_weight,
        };
        for group in program.groups_in(Order::RowSums) {
            let job = self.tile.job(convolution, group, packed, tile);
            self.row_sums.backward(job, grad, wanted, &mut gradients);
        }
        if program.has(Order::EdgeWeights) || program.framing.is_some() {
            let rows = &mut self.tile.rows;
            rows.clear();
            rows.extend(tile.rows_of_edges(convolution.row_offsets));
            self.messages
                .load(self.tile.rows.iter().map(|&at| row(grad, at, dim_out)));
            let read = (&self.tile.x, &self.tile.y, &self.messages);
            for group in program.groups_in(Order::EdgeWeights) {
                let weights = (convolution, packed.layer(convolution));
                self.edge_weights
                    .backward(weights, group, tile, read, wanted, &mut gradients);
            }
            if let Some((edge_frames, framing)) =
                self.edge_frames.as_mut().zip(program.framing.as_ref())
            {
                let job = edge_frames::Job {
                    convolution,
                    program,
                    framing,
                    tile,
                };
                let read = (&self.tile.x, &self.messages);
                let to = (&mut *gradients.x, &mut *gradients.hidden);
                edge_frames.backward(job, read, wanted, to, &mut self.to_folded);
            }
        }
        if wanted.features && dim_in > 0 {
            for (edge, to) in rows.features.chunks_exact_mut(dim_in).enumerate() {
                self.to_x.copy_to(edge, to);
            }
        }
        if wanted.harmonics {
            let rows = rows.harmonics.chunks_exact_mut(convolution.harmonics_width);
            for (edge, to) in rows.enumerate() {
                self.to_y.copy_to(edge, to);
            }
        }
    }
}
