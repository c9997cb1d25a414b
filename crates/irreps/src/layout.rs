//! How a block of channels lies in memory.

use crate::Irreps;

/// The order of components inside one block `mul x l` of a feature row.
///
/// In both layouts the blocks of an [`Irreps`] lie one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `[mul, 2l+1]`: the components of one channel are neighbours. e3nn's `mul_ir`.
    MulIr,
    /// `[2l+1, mul]`: the channels of one component are neighbours, which suits SIMD. This
    /// workspace's layout.
    IrMul,
}

impl Irreps {
    /// Rearranges feature rows from one layout to another.
    ///
    /// # Shapes
    /// `features`: `[n, dim]` flat, any n; the result has the same shape.
    ///
    /// # Panics
    /// If `features` is not a whole number of rows.
    ///
    /// ```
    /// use steerable_irreps::{Irreps, Layout};
    ///
    /// let irreps: Irreps = "2x1".parse()?;
    /// let mul_ir = ["x1", "y1", "z1", "x2", "y2", "z2"];
    /// let ir_mul = irreps.convert_layout(Layout::MulIr, Layout::IrMul, &mul_ir);
    /// assert_eq!(ir_mul, ["x1", "x2", "y1", "y2", "z1", "z2"]);
    /// # Ok::<(), steerable_irreps::IrrepsError>(())
    /// ```
    pub fn convert_layout<T: Copy>(&self, from: Layout, to: Layout, features: &[T]) -> Vec<T> {
        self.check_rows("Irreps::convert_layout", features.len());
        if from == to {
            return features.to_vec();
        }
        let mut out = Vec::with_capacity(features.len());
        let mut rest = features;
        // Without components there are no rows to walk over.
        while !rest.is_empty() {
            for block in self {
                let (old, tail) = rest.split_at(block.dim());
                rest = tail;
                let (slow, fast) = match to {
                    Layout::MulIr => (block.mul, block.irrep.dim()),
                    Layout::IrMul => (block.irrep.dim(), block.mul),
                };
                out.extend((0..slow).flat_map(|i| (0..fast).map(move |j| old[j * slow + i])));
            }
        }
        out
    }

    /// Panics unless `len` numbers are a whole number of rows.
    pub(crate) fn check_rows(&self, caller: &str, len: usize) {
        let dim = self.dim();
        assert!(
            len.is_multiple_of(dim),
            "{caller}: expected rows of {dim} numbers ({self}), got {len} numbers"
        );
    }
}
