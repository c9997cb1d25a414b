//! How an element of O(3) acts on feature rows.

use nalgebra::DMatrix;

use crate::{Group, Inversion, Irreps, Layout, MulIrrep, O3Element, Parity, WignerD};

impl Irreps {
    /// Acts on feature rows: every channel of degree l is multiplied by D_l(R), and, if the element
    /// is improper, odd irreps change sign.
    ///
    /// # Shapes
    /// `features`: `[n, dim]` flat in the given layout; the result has the same shape.
    ///
    /// # Panics
    /// If `features` is not a whole number of rows, or if the element is improper and the irreps
    /// are of SO(3), where inversion means nothing.
    ///
    /// ```
    /// use std::f64::consts::FRAC_PI_2;
    /// use steerable_irreps::{Irreps, Layout, Rotation};
    ///
    /// let irreps: Irreps = "1x0 + 1x1".parse()?;
    /// let quarter_turn = Rotation::from_axis_angle([0.0, 0.0, 1.0], FRAC_PI_2)?;
    /// let turned = irreps.act(&quarter_turn.into(), Layout::IrMul, &[7.0, 1.0, 0.0, 0.0]);
    /// assert!((turned[2] - 1.0).abs() < 1e-15); // x became y
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn act(&self, element: &O3Element, layout: Layout, features: &[f64]) -> Vec<f64> {
        self.check_rows("Irreps::act", features.len());
        assert!(
            element.inversion == Inversion::Proper || self.group() != Some(Group::So3),
            "Irreps::act: expected irreps of O(3) for an improper element, got {self}"
        );
        let mut out = vec![0.0; features.len()];
        if features.is_empty() {
            return out;
        }
        let d = WignerD::new(self.lmax().unwrap_or(0)).all(&element.rotation);
        let dim = self.dim();
        for (range, block) in self.slices().into_iter().zip(self) {
            let sign = match block.irrep.parity() {
                Some(Parity::Odd) => element.inversion.sign(),
                Some(Parity::Even) | None => 1.0,
            };
            if block.mul == 0 {
                continue;
            }
            let matrix = &d[block.irrep.l()] * sign;
            for (old, new) in features.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
                act_on_block(
                    &matrix,
                    block,
                    layout,
                    &old[range.clone()],
                    &mut new[range.clone()],
                );
            }
        }
        out
    }
}

/// `new[m, channel] = Σ_k matrix[m, k] old[k, channel]`.
fn act_on_block(
    matrix: &DMatrix<f64>,
    block: MulIrrep,
    layout: Layout,
    old: &[f64],
    new: &mut [f64],
) {
    let dim = block.irrep.dim();
    let (component_stride, channel_stride) = match layout {
        Layout::MulIr => (1, dim),
        Layout::IrMul => (block.mul, 1),
    };
    for channel in 0..block.mul {
        let at = |m: usize| m * component_stride + channel * channel_stride;
        for m in 0..dim {
            new[at(m)] = (0..dim).map(|k| matrix[(m, k)] * old[at(k)]).sum();
        }
    }
}
