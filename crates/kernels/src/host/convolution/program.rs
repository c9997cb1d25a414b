//! A path plan, made ready for the kernels.

use std::ops::Range;

use steerable_harmonics::plan::{Block, ConvolutionPlan, Pair, Path, Weighting};

use super::cost::{Pass, Size, choose_frames, choose_without_frames};
use super::edge_frames::Framing;
use super::frame_layer::FrameParts;
use super::lanes::LANES;
use super::row_sums::most_rows;
use super::strips;
use super::tiles::{Tile, tiles};
use super::unframed::Unframed;
use super::{Convolution, EDGES, EDGES_TOGETHER, EDGES_WITH_SUMS};
use crate::host::real::Real;

/// One entry of a path's kernel: `K[m_out, m_in] = sum over terms of value Y[harmonic]`.
pub(crate) struct Slot {
    pub(crate) m_in: usize,
    pub(crate) m_out: usize,
    pub(crate) terms: Range<usize>,
}

/// One path: its kernel entries that are not always zero.
pub(crate) struct PathProgram<T> {
    /// Ordered by `m_out`, then `m_in`.
    pub(crate) slots: Vec<Slot>,
    /// The slots of each `m_out`.
    pub(crate) by_m_out: Vec<Range<usize>>,
    /// Column of the harmonics and coefficient.
    pub(crate) terms: Vec<(usize, T)>,
}

impl<T: Real> PathProgram<T> {
    pub(crate) fn new(path: &Path, components: usize) -> Self {
        let mut slots: Vec<Slot> = Vec::new();
        for (index, term) in path.terms.iter().enumerate() {
            match slots.last_mut() {
                Some(slot) if (slot.m_out, slot.m_in) == (term.m_out, term.m_in) => {
                    slot.terms.end = index + 1;
                }
                _ => slots.push(Slot {
                    m_in: term.m_in,
                    m_out: term.m_out,
                    terms: index..index + 1,
                }),
            }
        }
        let by_m_out = (0..components)
            .map(|m| {
                let first = slots.partition_point(|slot| slot.m_out < m);
                first..slots.partition_point(|slot| slot.m_out <= m)
            })
            .collect();
        let terms = path
            .terms
            .iter()
            .map(|term| (term.harmonic, T::of(term.value)))
            .collect();
        Self {
            slots,
            by_m_out,
            terms,
        }
    }
}

/// In which order a group of pairs is contracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Per edge: radial weights `hidden @ weight`, then their product with the coupled features.
    EdgeWeights,
    /// Per edge: the outer product of hidden and coupled features, summed over the edges of a row;
    /// per row: its contraction with `weight`.
    RowSums,
    /// Per edge: as edge weights, of the hidden features that are not zero. What a zero would multiply is
    /// never read: an infinite weight behind it does not show. No gradient to a zero is formed.
    SparseEdgeWeights,
    /// Per edge, in its own frame: as edge weights, but block-diagonal in m.
    EdgeFrames,
}

/// Pairs that read the same coupled features: same input, same paths, same radial network.
pub(crate) struct Group<'a, T> {
    pub(crate) input: Block,
    /// `2 l_out + 1`
    pub(crate) components: usize,
    pub(crate) radial: usize,
    pub(crate) paths: Vec<PathProgram<T>>,
    pub(crate) frame: FrameParts,
    pub(crate) members: Vec<&'a Pair>,
    pub(crate) order: Order,
    /// Units of sixteen weights that go by strips before those of the group.
    pub(crate) first_unit: usize,
}

impl<T> Group<'_, T> {
    /// Columns of the last radial layer that belong to one path of a member.
    pub(crate) fn columns(&self, member: &Pair, path: usize) -> Range<usize> {
        let per_path = self.input.mul * member.output.mul;
        let first = member.weights.start + path * per_path;
        first..first + per_path
    }

    /// How many runs of `c_in c_out` columns each member has in the layer that the group's order reads:
    /// one for a path, or in the frame one for a joint.
    pub(crate) fn parts(&self) -> usize {
        match self.order {
            Order::EdgeFrames => self.frame.joints.len(),
            Order::EdgeWeights | Order::RowSums | Order::SparseEdgeWeights => self.paths.len(),
        }
    }

    /// The columns of some parts of each member in that layer.
    pub(crate) fn columns_of_members(
        &self,
        parts: Range<usize>,
    ) -> impl Iterator<Item = Range<usize>> {
        let mut folded = self.frame.first_column;
        self.members.iter().map(move |pair| {
            let per_part = self.input.mul * pair.output.mul;
            let first = match self.order {
                Order::EdgeFrames => folded,
                Order::EdgeWeights | Order::RowSums | Order::SparseEdgeWeights => {
                    pair.weights.start
                }
            };
            folded += self.parts() * per_part;
            first + parts.start * per_part..first + parts.end * per_part
        })
    }

    /// Units of sixteen weights, where they go by strips.
    pub(crate) fn units(&self) -> usize {
        let weights = self.members.iter().map(|pair| pair.weights.len());
        weights.sum::<usize>() / LANES
    }

    /// Whether what lies side by side in [`Order::SparseEdgeWeights`] are whole units.
    pub(crate) fn fits_strips(&self, pass: Pass) -> bool {
        match pass {
            Pass::Forward => {
                let mut members = self.members.iter();
                members.all(|pair| pair.output.mul.is_multiple_of(LANES))
            }
            Pass::Backward { .. } => self.input.mul.is_multiple_of(LANES),
        }
    }

    /// Numbers of coupled features of one edge and path: `[m_out, c_in]`.
    pub(crate) fn coupled_len(&self) -> usize {
        self.components * self.input.mul
    }

    /// Kernel entries of the path that has most of them.
    pub(crate) fn most_slots(&self) -> usize {
        let slots = self.paths.iter().map(|path| path.slots.len());
        slots.max().unwrap_or(0)
    }

    /// Channels of all members together.
    pub(crate) fn channels_out(&self) -> usize {
        self.members.iter().map(|pair| pair.output.mul).sum()
    }
}

/// Groups the pairs of a plan with full weights.
pub(crate) fn groups<T: Real>(plan: &ConvolutionPlan) -> Vec<Group<'_, T>> {
    let mut groups: Vec<Group<'_, T>> = Vec::new();
    for pair in plan.pairs() {
        let alike = groups.iter_mut().find(|group| {
            let first = group.members[0];
            (group.input, group.radial, first.output.l) == (pair.input, pair.radial, pair.output.l)
                && first.paths == pair.paths
        });
        if let Some(group) = alike {
            group.members.push(pair);
            continue;
        }
        let components = 2 * pair.output.l + 1;
        groups.push(Group {
            input: pair.input,
            components,
            radial: pair.radial,
            paths: pair
                .paths
                .iter()
                .map(|path| PathProgram::new(path, components))
                .collect(),
            frame: FrameParts::new(pair),
            members: vec![pair],
            order: Order::EdgeWeights,
            first_unit: 0,
        });
    }
    groups
}

/// What is done, and in which pieces.
pub(super) struct Program<'a, T> {
    /// Of a full convolution.
    pub(super) groups: Vec<Group<'a, T>>,
    /// Where a group is in the frames of the edges.
    pub(super) framing: Option<Framing<T>>,
    /// The edges that have no frame, by the paths.
    pub(super) unframed: Option<Box<Unframed<'a, T>>>,
    pub(super) tiles: Vec<Tile>,
}

impl<T> Program<'_, T> {
    pub(super) fn groups_in(&self, order: Order) -> impl Iterator<Item = &Group<'_, T>> + Clone {
        self.groups.iter().filter(move |group| group.order == order)
    }

    /// Whether a group has the edges side by side.
    pub(super) fn has_lanes(&self) -> bool {
        let mut orders = self.groups.iter().map(|group| group.order);
        orders.any(|order| order != Order::SparseEdgeWeights)
    }

    /// A run of tiles, cut after about [`EDGES_TOGETHER`] edges, at the same places whatever the run is: where
    /// a row is in several tiles, the order of what is added to it depends on the cuts.
    pub(super) fn tiles_together(&self, run: Range<usize>) -> impl Iterator<Item = &[Tile]> {
        let place = |tile: &Tile| tile.edges.start / EDGES_TOGETHER;
        self.tiles[run].chunk_by(move |a, b| place(a) == place(b))
    }

    pub(super) fn has(&self, order: Order) -> bool {
        self.groups_in(order).next().is_some()
    }
}

impl<'a, T: Real> Convolution<'a, T> {
    /// What is to be done, by the cheapest orders or by one of them. The frames of the edges give no
    /// gradient to the harmonics.
    pub(super) fn program(&self, forced: Option<Order>, pass: Pass) -> Program<'a, T> {
        if self.plan.weighting() == Weighting::ChannelWise {
            return Program {
                groups: Vec::new(),
                framing: None,
                unframed: None,
                tiles: tiles(self.row_offsets, EDGES, usize::MAX),
            };
        }
        let mut groups = groups(self.plan);
        let size = self.size(&groups, pass);
        match forced {
            Some(Order::SparseEdgeWeights) => groups
                .iter_mut()
                .filter(|group| group.fits_strips(pass))
                .for_each(|group| group.order = Order::SparseEdgeWeights),
            Some(order) => groups.iter_mut().for_each(|group| group.order = order),
            None => choose_without_frames(&mut groups, size),
        }
        let framing = self.framing(&mut groups, forced, size);
        strips::place(&mut groups);
        let sums = groups.iter().any(|group| group.order == Order::RowSums);
        let edges = if sums { EDGES_WITH_SUMS } else { EDGES };
        let rows = most_rows(&groups, self.hidden_width);
        Program {
            unframed: framing.as_ref().and_then(|framing| {
                let without = framing.edges_without();
                Unframed::new(self, &groups, without).map(Box::new)
            }),
            groups,
            framing,
            tiles: tiles(self.row_offsets, edges, rows),
        }
    }

    /// Moves groups to the frames of the edges where that is cheaper, and most edges have one.
    fn framing(
        &self,
        groups: &mut [Group<'a, T>],
        forced: Option<Order>,
        size: Size,
    ) -> Option<Framing<T>> {
        let to_harmonics = size.pass == (Pass::Backward { to_harmonics: true });
        let without: Vec<Order> = groups
            .iter()
            .map(|group| match group.order {
                Order::EdgeFrames => Order::EdgeWeights,
                order => order,
            })
            .collect();
        if forced.is_none() && !to_harmonics {
            choose_frames(groups, size);
        }
        let is_wanted = groups.iter().any(|group| group.order == Order::EdgeFrames);
        let framing = match is_wanted && !to_harmonics {
            true => Framing::new(self, groups),
            false => None,
        };
        if framing.is_none() {
            let orders = groups.iter_mut().zip(without);
            orders.for_each(|(group, order)| group.order = order);
        }
        framing
    }
}
