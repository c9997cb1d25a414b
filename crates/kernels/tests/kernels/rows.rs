//! Gathering and sums over groups of rows.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use steerable_kernels::RowGroups;

use crate::operation::{Case, Cases, Draw, Function, Rounding};

pub(crate) fn indices(index: &[u32], device: &Device) -> Tensor<1, Int> {
    let index: Vec<i32> = index.iter().map(|&i| i as i32).collect();
    let len = index.len();
    Tensor::from_data(TensorData::new(index, [len]), device)
}

/// (rows, groups, columns), with groups of no rows, no rows, no groups, and work for threads.
const SMALL: [(usize, usize, usize); 4] = [(6, 9, 2), (7, 2, 3), (0, 3, 2), (0, 0, 2)];
const LARGE: [(usize, usize, usize); 2] = [(5000, 700, 33), (2000, 1, 40)];

fn cases(seed: u64, build: fn(&mut Draw, (usize, usize, usize)) -> Case) -> Cases {
    let mut draw = Draw::new(seed);
    let mut list = |sizes: &[(usize, usize, usize)]| -> Vec<Case> {
        sizes.iter().map(|&sizes| build(&mut draw, sizes)).collect()
    };
    Cases {
        small: list(&SMALL),
        large: list(&LARGE),
    }
}

/// Rows of a table.
pub(crate) fn gather_rows() -> Cases {
    cases(1, |draw, (rows, groups, columns)| {
        let index = draw.indices(rows, groups.max(1));
        let composed = || -> Function {
            let index = index.clone();
            Box::new(move |x| x[0].clone().select(0, indices(&index, &x[0].device())))
        };
        let (oracle, sizes) = (composed(), composed());
        Case {
            name: format!("gather_rows {rows} from {groups} x {columns}"),
            inputs: vec![draw.input("values", [groups, columns])],
            kernel: Box::new(move |x| {
                let groups = RowGroups::new(&index, groups, &x[0].device());
                steerable_kernels::gather_rows(x[0].clone(), &groups)
            }),
            oracle,
            rounding: Rounding::OfSizes {
                sizes,
                roundings: rows as f64,
            },
        }
    })
}

/// Sums of rows.
pub(crate) fn sum_rows() -> Cases {
    cases(2, |draw, (rows, groups, columns)| {
        let index = draw.indices(rows, groups.max(1));
        let composed = || -> Function {
            let index = index.clone();
            Box::new(move |x| {
                let device = x[0].device();
                let zeros = Tensor::zeros([groups, columns], (&device, x[0].dtype()));
                let index = indices(&index, &device);
                zeros.select_assign(0, index, x[0].clone(), IndexingUpdateOp::Add)
            })
        };
        let (oracle, sizes) = (composed(), composed());
        Case {
            name: format!("sum_rows {rows} into {groups} x {columns}"),
            inputs: vec![draw.input("values", [rows, columns])],
            kernel: Box::new(move |x| {
                let groups = RowGroups::new(&index, groups, &x[0].device());
                steerable_kernels::sum_rows(x[0].clone(), &groups)
            }),
            oracle,
            rounding: Rounding::OfSizes {
                sizes,
                roundings: rows as f64,
            },
        }
    })
}
