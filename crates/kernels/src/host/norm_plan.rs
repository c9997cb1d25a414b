//! What the operations on norms need to know of packed rows.

use std::ops::Range;

use steerable_harmonics::plan::{Block, blocks};
use steerable_irreps::Irreps;

/// The blocks of packed rows, with the channels that each has parameters for.
#[derive(Clone, Debug, PartialEq)]
pub struct NormPlan {
    blocks: Vec<NormBlock>,
    dim: usize,
    num_channels: usize,
    num_scalars: usize,
}

/// One block with channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormBlock {
    /// Where it stands in a row.
    pub block: Block,
    /// Its first channel, counted through all blocks.
    pub first_channel: usize,
    /// Its first channel counted through the invariant blocks, if it is one of them.
    pub first_scalar: Option<usize>,
}

impl NormBlock {
    /// Its channels, counted through all blocks.
    pub(crate) fn channels(&self) -> Range<usize> {
        self.first_channel..self.first_channel + self.block.mul
    }
}

impl NormPlan {
    /// The plan of rows of these irreps.
    pub fn new(irreps: &Irreps) -> Self {
        let (mut num_channels, mut num_scalars) = (0, 0);
        let mut list = Vec::new();
        for (block, (mul, irrep)) in blocks(irreps).filter(|(block, _)| block.mul > 0) {
            list.push(NormBlock {
                block,
                first_channel: num_channels,
                first_scalar: irrep.is_scalar().then_some(num_scalars),
            });
            num_channels += mul;
            num_scalars += if irrep.is_scalar() { mul } else { 0 };
        }
        Self {
            blocks: list,
            dim: irreps.dim(),
            num_channels,
            num_scalars,
        }
    }

    /// The blocks that have channels.
    pub fn blocks(&self) -> &[NormBlock] {
        &self.blocks
    }

    /// Number of columns.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of channels of all blocks.
    pub fn num_channels(&self) -> usize {
        self.num_channels
    }

    /// Number of invariant channels.
    pub fn num_scalars(&self) -> usize {
        self.num_scalars
    }

    pub(crate) fn most_channels(&self) -> usize {
        let channels = self.blocks.iter().map(|block| block.block.mul);
        channels.max().unwrap_or(0)
    }
}

/// One block of a tile of packed rows.
#[derive(Clone, Copy)]
pub(crate) struct TileBlock {
    pub(crate) block: Block,
    /// Columns of a row.
    pub(crate) stride: usize,
}

impl TileBlock {
    /// Number of components.
    #[inline(always)]
    pub(crate) fn components(&self) -> usize {
        2 * self.block.l + 1
    }

    /// Where the channels of component `m` of a row stand.
    #[inline(always)]
    pub(crate) fn channels(&self, row: usize, m: usize) -> Range<usize> {
        let first = row * self.stride + self.block.offset + m * self.block.mul;
        first..first + self.block.mul
    }
}
