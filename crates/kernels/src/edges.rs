//! The index tensors that say which rows belong together.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Rows grouped by the row they are read from or summed into, on a device.
///
/// For edges grouped by source: `index[e]` is the source of edge e, `order` lists the edges source
/// by source, and `order[offsets[i]..offsets[i + 1]]` are those of node i.
#[derive(Clone, Debug)]
pub struct RowGroups {
    pub(crate) index: Tensor<1, Int>,
    pub(crate) order: Tensor<1, Int>,
    pub(crate) offsets: Tensor<1, Int>,
    num_rows: usize,
    num_groups: usize,
    is_sorted: bool,
}

impl RowGroups {
    /// Uploads host indices.
    ///
    /// # Panics
    /// When an index is not below the number of groups or a count exceeds `i32::MAX`.
    pub fn new(index: &[u32], num_groups: usize, device: &Device) -> Self {
        let (order, offsets) = group(index, num_groups);
        Self {
            index: upload(index, device),
            order: upload(&order, device),
            offsets: upload(&offsets, device),
            num_rows: index.len(),
            num_groups,
            is_sorted: index.is_sorted(),
        }
    }

    /// Every row is a group of its own.
    pub fn identity(num_rows: usize, device: &Device) -> Self {
        let index: Vec<u32> = (0..num_rows as u32).collect();
        Self::new(&index, num_rows, device)
    }

    /// Number of rows that are grouped.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// Whether the rows of each group are consecutive, group after group.
    pub fn is_sorted(&self) -> bool {
        self.is_sorted
    }

    /// Number of groups.
    pub fn num_groups(&self) -> usize {
        self.num_groups
    }
}

/// The rows group by group, and where each group begins: `order[offsets[i]..offsets[i + 1]]` are those of
/// group i, ascending.
///
/// # Panics
/// When an index is not below the number of groups.
pub(crate) fn group(index: &[u32], num_groups: usize) -> (Vec<u32>, Vec<u32>) {
    let mut offsets = vec![0_u32; num_groups + 1];
    for &group in index {
        assert!(
            (group as usize) < num_groups,
            "RowGroups: index {group} is out of range for {num_groups} rows"
        );
        offsets[group as usize + 1] += 1;
    }
    for group in 0..num_groups {
        offsets[group + 1] += offsets[group];
    }
    let mut next = offsets.clone();
    let mut order = vec![0_u32; index.len()];
    for (row, &group) in index.iter().enumerate() {
        order[next[group as usize] as usize] = row as u32;
        next[group as usize] += 1;
    }
    (order, offsets)
}

fn upload(indices: &[u32], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i32> = indices
        .iter()
        .map(|&i| i32::try_from(i).expect("RowGroups: more rows than i32::MAX"))
        .collect();
    let len = indices.len();
    Tensor::from_data(TensorData::new(indices, [len]), (device, DType::I32))
}
