//! Feature tensors that know how they rotate.

use std::ops::Add;

use burn::tensor::{Device, Tensor};
use steerable_harmonics::plan::{Block, blocks};
use steerable_irreps::{Irrep, Irreps};

/// Steerable features of nodes or edges: one packed row each, typed by [`Irreps`].
///
/// Within a row the blocks follow each other in the order of the irreps, and each block is laid out
/// `[2l + 1, mul]`: components outside, channels contiguous (`ir_mul`).
///
/// # Shapes
/// - packed: `[N, irreps.dim()]`
#[derive(Clone, Debug)]
pub struct Features {
    irreps: Irreps,
    packed: Tensor<2>,
}

impl Features {
    /// Wraps a packed tensor.
    ///
    /// # Panics
    /// When the number of columns is not `irreps.dim()`.
    #[track_caller]
    pub fn new(irreps: Irreps, packed: Tensor<2>) -> Self {
        let [_, columns] = packed.dims();
        assert_eq!(
            columns,
            irreps.dim(),
            "Features: \"{irreps}\" takes {} columns, the tensor has {columns}",
            irreps.dim()
        );
        Self { irreps, packed }
    }

    /// Wraps a tensor in e3nn's `mul_ir` layout: blocks laid out `[mul, 2l + 1]`.
    #[track_caller]
    pub fn from_mul_ir(irreps: Irreps, tensor: Tensor<2>) -> Self {
        let Self {
            irreps,
            packed: tensor,
        } = Self::new(irreps, tensor);
        let packed = permute_blocks(&irreps, tensor, |block| [block.mul, 2 * block.l + 1]);
        Self::new(irreps, packed)
    }

    /// The same features in e3nn's `mul_ir` layout.
    pub fn to_mul_ir(&self) -> Tensor<2> {
        permute_blocks(&self.irreps, self.packed.clone(), |block| {
            [2 * block.l + 1, block.mul]
        })
    }

    /// Joins blocks, one `[N, 2l + 1, mul]` for each entry of `irreps`.
    ///
    /// # Panics
    /// When a block has another shape.
    #[track_caller]
    pub fn from_blocks(irreps: Irreps, tensors: Vec<Tensor<3>>) -> Self {
        assert_eq!(
            tensors.len(),
            irreps.len(),
            "Features: \"{irreps}\" and the number of blocks"
        );
        let columns: Vec<Tensor<2>> = blocks(&irreps)
            .zip(tensors)
            .map(|((block, _), tensor)| {
                let [rows, components, mul] = tensor.dims();
                assert_eq!(
                    [components, mul],
                    [2 * block.l + 1, block.mul],
                    "Features: shape of a block of \"{irreps}\""
                );
                reshape_to_rows(tensor, rows)
            })
            .collect();
        Self::new(irreps, cat_columns(columns))
    }

    /// The irreps.
    pub fn irreps(&self) -> &Irreps {
        &self.irreps
    }

    /// The packed tensor, `[N, irreps.dim()]`.
    pub fn packed(&self) -> Tensor<2> {
        self.packed.clone()
    }

    /// The packed tensor, by value.
    pub fn into_packed(self) -> Tensor<2> {
        self.packed
    }

    /// Number of nodes or edges.
    pub fn num_rows(&self) -> usize {
        self.packed.dims()[0]
    }

    /// The device.
    pub fn device(&self) -> Device {
        self.packed.device()
    }

    /// Block `index` of the irreps, `[N, 2l + 1, mul]`.
    pub fn block(&self, index: usize) -> Tensor<3> {
        let (block, _) = blocks(&self.irreps).nth(index).expect("index of a block");
        self.columns(block)
    }

    /// All channels of one irrep, `[N, 2l + 1, mul_of(irrep)]`, or `None` if it is absent.
    pub fn of_irrep(&self, irrep: Irrep) -> Option<Tensor<3>> {
        let mut found: Vec<Tensor<3>> = blocks(&self.irreps)
            .filter(|(block, (_, other))| *other == irrep && block.mul > 0)
            .map(|(block, _)| self.columns(block))
            .collect();
        match found.len() {
            0 => None,
            1 => found.pop(),
            _ => Some(Tensor::cat(found, 2)),
        }
    }

    /// Features side by side: the irreps are concatenated, not regrouped.
    ///
    /// # Panics
    /// When the irreps belong to different groups.
    #[track_caller]
    pub fn join(self, other: Self) -> Self {
        let irreps = self
            .irreps
            .concat(&other.irreps)
            .unwrap_or_else(|error| panic!("Features::join: {error}"));
        Self::new(irreps, cat_columns(vec![self.packed, other.packed]))
    }

    /// The same features in wider irreps: each of our blocks goes to the next block of `irreps` with
    /// the same irrep, the others are zero, and missing channels are zero.
    ///
    /// # Panics
    /// When a block finds no place.
    #[track_caller]
    pub fn pad_to(&self, irreps: &Irreps) -> Self {
        if *irreps == self.irreps {
            return self.clone();
        }
        let (rows, device, dtype) = (self.num_rows(), self.device(), self.packed.dtype());
        let mut own = blocks(&self.irreps).peekable();
        let padded = irreps
            .iter()
            .map(|target| {
                let components = target.irrep.dim();
                let zeros = |mul| Tensor::zeros([rows, components, mul], (&device, dtype));
                match own.next_if(|(block, (_, irrep))| {
                    *irrep == target.irrep && block.mul <= target.mul
                }) {
                    None => zeros(target.mul),
                    Some((block, _)) if block.mul == target.mul => self.columns(block),
                    Some((block, _)) => {
                        Tensor::cat(vec![self.columns(block), zeros(target.mul - block.mul)], 2)
                    }
                }
            })
            .collect();
        assert!(
            own.peek().is_none(),
            "Features: \"{}\" does not fit into \"{irreps}\"",
            self.irreps
        );
        Self::from_blocks(irreps.clone(), padded)
    }

    fn columns(&self, block: Block) -> Tensor<3> {
        let rows = self.num_rows();
        let shape = [rows, 2 * block.l + 1, block.mul];
        match block.mul {
            0 => Tensor::zeros(shape, (&self.device(), self.packed.dtype())),
            _ => narrow(self.packed.clone(), block.offset, block.dim()).reshape(shape),
        }
    }
}

impl Add for Features {
    type Output = Self;

    #[track_caller]
    fn add(self, other: Self) -> Self {
        assert_eq!(
            self.irreps, other.irreps,
            "Features: cannot add different irreps"
        );
        Self::new(self.irreps, self.packed + other.packed)
    }
}

/// Columns `first..first + count`. Burn's own `narrow` refuses a count of 0, and without rows its CPU
/// backend leaves an offset beyond the end of the storage.
fn narrow(tensor: Tensor<2>, first: usize, count: usize) -> Tensor<2> {
    let rows = tensor.dims()[0];
    match rows * count {
        0 => Tensor::zeros([rows, count], (&tensor.device(), tensor.dtype())),
        _ => tensor.narrow(1, first, count),
    }
}

/// Columns side by side. Without rows there is nothing to differentiate, and the gradients of burn's own
/// `cat` would have an offset beyond the end of the storage.
pub(crate) fn cat_columns(parts: Vec<Tensor<2>>) -> Tensor<2> {
    match parts.first() {
        Some(first) if first.dims()[0] == 0 => {
            let columns = parts.iter().map(|part| part.dims()[1]).sum();
            Tensor::zeros([0, columns], (&first.device(), first.dtype()))
        }
        _ => Tensor::cat(parts, 1),
    }
}

/// `[rows, a, b]` to `[rows, a b]`; to burn's own `reshape` a 0 means "as before".
fn reshape_to_rows(tensor: Tensor<3>, rows: usize) -> Tensor<2> {
    let [_, outer, inner] = tensor.dims();
    match outer * inner {
        0 => Tensor::zeros([rows, 0], (&tensor.device(), tensor.dtype())),
        columns => tensor.reshape([rows, columns]),
    }
}

/// Swaps the two axes of every block; `shape` gives the shape a block comes in.
fn permute_blocks(
    irreps: &Irreps,
    tensor: Tensor<2>,
    shape: impl Fn(&Block) -> [usize; 2],
) -> Tensor<2> {
    if irreps.is_empty() {
        return tensor;
    }
    let rows = tensor.dims()[0];
    let columns: Vec<Tensor<2>> = blocks(irreps)
        .filter(|(block, _)| block.mul > 0)
        .map(|(block, _)| {
            let [outer, inner] = shape(&block);
            let swapped = narrow(tensor.clone(), block.offset, block.dim())
                .reshape([rows, outer, inner])
                .swap_dims(1, 2);
            reshape_to_rows(swapped, rows)
        })
        .collect();
    match columns.len() {
        0 => tensor,
        _ => cat_columns(columns),
    }
}
