//! The list type and its algebra.

use std::ops::Range;

use crate::{Group, Irrep, IrrepsError};

/// `mul` copies (channels) of one irrep: one block of a feature row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MulIrrep {
    /// The multiplicity.
    pub mul: usize,
    /// The irrep.
    pub irrep: Irrep,
}

impl MulIrrep {
    /// The number of components, mul · (2l + 1).
    pub const fn dim(self) -> usize {
        self.mul * self.irrep.dim()
    }
}

/// A list of irreps with multiplicities, all of one group: the type of a feature row.
///
/// The list need not be sorted, and an irrep may stand in more than one block. A feature row holds
/// the blocks one after the other ([`Irreps::slices`]); how a block is laid out is a
/// [`Layout`](crate::Layout). Serialized as the text it prints.
///
/// ```
/// use steerable_irreps::{Irrep, Irreps};
///
/// let irreps: Irreps = "4x1 + 8x0 + 2x1".parse()?;
/// assert_eq!(irreps.dim(), 4 * 3 + 8 + 2 * 3);
/// assert_eq!(irreps.regroup().to_string(), "8x0 + 6x1");
/// assert_eq!(irreps.mul_of(Irrep::so3(1)), 6);
/// # Ok::<(), steerable_irreps::IrrepsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Irreps {
    blocks: Vec<MulIrrep>,
}

/// A sorted list of irreps and where each block went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorted {
    /// The sorted list.
    pub irreps: Irreps,
    /// `permutation[old]` is the new place of the block that stood at `old`.
    pub permutation: Vec<usize>,
    /// `inverse[new]` is the old place of the block that now stands at `new`.
    pub inverse: Vec<usize>,
}

impl Irreps {
    /// Makes a list of these blocks, in this order. A multiplicity of 0 is allowed.
    ///
    /// # Errors
    /// If the blocks are not all of one group, or if the total dimension is beyond `isize::MAX`.
    pub fn try_new(blocks: Vec<MulIrrep>) -> Result<Self, IrrepsError> {
        if let Some(first) = blocks.first().map(|block| block.irrep) {
            let other = blocks
                .iter()
                .find(|block| block.irrep.group() != first.group());
            if let Some(&MulIrrep { irrep: second, .. }) = other {
                return Err(IrrepsError::MixedGroups { first, second });
            }
        }
        blocks
            .iter()
            .try_fold(0_usize, |dim, block| {
                dim.checked_add(block.mul.checked_mul(block.irrep.dim())?)
            })
            .filter(|&dim| isize::try_from(dim).is_ok())
            .ok_or(IrrepsError::TooLarge)?;
        Ok(Self { blocks })
    }

    /// `mul` copies of every degree 0..=`l_max` of SO(3).
    ///
    /// # Panics
    /// If `l_max` is above [`Irrep::MAX_L`] or the total dimension is beyond `isize::MAX`.
    pub fn uniform_so3(mul: usize, l_max: usize) -> Self {
        let blocks = (0..=l_max)
            .map(|l| MulIrrep {
                mul,
                irrep: Irrep::so3(l),
            })
            .collect();
        Self::try_new(blocks).unwrap_or_else(|error| panic!("Irreps::uniform_so3: {error}"))
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &[MulIrrep] {
        &self.blocks
    }

    /// The blocks, in order.
    pub fn iter(&self) -> std::iter::Copied<std::slice::Iter<'_, MulIrrep>> {
        self.blocks.iter().copied()
    }

    /// The number of blocks.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The number of components of a feature row, Σ mul · (2l + 1).
    pub fn dim(&self) -> usize {
        self.iter().map(MulIrrep::dim).sum()
    }

    /// The number of irreps counted with multiplicity, Σ mul.
    pub fn num_irreps(&self) -> usize {
        self.iter().map(|block| block.mul).sum()
    }

    /// The largest degree with a multiplicity above 0; `None` if there is none.
    pub fn lmax(&self) -> Option<usize> {
        self.iter()
            .filter(|block| block.mul > 0)
            .map(|block| block.irrep.l())
            .max()
    }

    /// The group; `None` for the empty list.
    pub fn group(&self) -> Option<Group> {
        self.blocks.first().map(|block| block.irrep.group())
    }

    /// The range of each block in a feature row.
    pub fn slices(&self) -> Vec<Range<usize>> {
        let mut start = 0;
        self.iter()
            .map(|block| {
                let end = start + block.dim();
                std::mem::replace(&mut start, end)..end
            })
            .collect()
    }

    /// The multiplicity of an irrep, over all blocks.
    pub fn mul_of(&self, irrep: Irrep) -> usize {
        self.iter()
            .filter(|block| block.irrep == irrep)
            .map(|block| block.mul)
            .sum()
    }

    /// The blocks sorted by irrep; blocks of the same irrep keep their order.
    pub fn sort(&self) -> Sorted {
        let mut inverse: Vec<usize> = (0..self.len()).collect();
        inverse.sort_by_key(|&old| self.blocks[old].irrep);
        let mut permutation = vec![0; self.len()];
        for (new, &old) in inverse.iter().enumerate() {
            permutation[old] = new;
        }
        let blocks = inverse.iter().map(|&old| self.blocks[old]).collect();
        Sorted {
            irreps: Self { blocks },
            permutation,
            inverse,
        }
    }

    /// Merges neighbouring blocks of the same irrep and drops blocks of multiplicity 0. The order
    /// of the irreps stays, and so does every component of a row in the
    /// [`MulIr`](crate::Layout::MulIr) layout.
    pub fn simplify(&self) -> Self {
        let mut blocks: Vec<MulIrrep> = Vec::with_capacity(self.len());
        for block in self.iter().filter(|block| block.mul > 0) {
            match blocks.last_mut() {
                Some(last) if last.irrep == block.irrep => last.mul += block.mul,
                _ => blocks.push(block),
            }
        }
        Self { blocks }
    }

    /// Sorts, then simplifies: every irrep once, in order.
    pub fn regroup(&self) -> Self {
        self.sort().irreps.simplify()
    }

    /// The blocks whose irrep is kept.
    pub fn filter(&self, keep: impl Fn(Irrep) -> bool) -> Self {
        Self {
            blocks: self.iter().filter(|block| keep(block.irrep)).collect(),
        }
    }

    /// The same irreps with other multiplicities.
    ///
    /// # Errors
    /// If the total dimension is beyond `isize::MAX`.
    pub fn map_mul(&self, mul: impl Fn(MulIrrep) -> usize) -> Result<Self, IrrepsError> {
        Self::try_new(
            self.iter()
                .map(|block| MulIrrep {
                    mul: mul(block),
                    ..block
                })
                .collect(),
        )
    }

    /// The blocks of both lists, one list after the other.
    ///
    /// # Errors
    /// If the lists are not of one group, or if the total dimension is beyond `isize::MAX`.
    pub fn concat(&self, other: &Self) -> Result<Self, IrrepsError> {
        Self::try_new(self.iter().chain(other).collect())
    }
}

impl From<Irrep> for Irreps {
    fn from(irrep: Irrep) -> Self {
        Self {
            blocks: vec![MulIrrep { mul: 1, irrep }],
        }
    }
}

impl IntoIterator for Irreps {
    type Item = MulIrrep;
    type IntoIter = std::vec::IntoIter<MulIrrep>;

    fn into_iter(self) -> Self::IntoIter {
        self.blocks.into_iter()
    }
}

impl<'a> IntoIterator for &'a Irreps {
    type Item = MulIrrep;
    type IntoIter = std::iter::Copied<std::slice::Iter<'a, MulIrrep>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
