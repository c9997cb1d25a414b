//! Internal coordinates as tensors: coordinates by parallel products of frames, differentiable.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::scan::prefix_products;
use super::{InternalCoordinates, Joint, Link, ResidueShape};
use crate::ideal::{ANGLE_C_N_CA, ANGLE_CA_C_N, ANGLE_N_CA_C, BOND_C_N, BOND_CA_C, BOND_N_CA};

/// Internal coordinates of B unbroken chains of L residues: lengths in angstrom, angles in radians.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use steerable_protein::InternalTensors;
///
/// let device = Device::flex().autodiff();
/// // Psi, omega and phi of the nine joints of a helix of ten residues.
/// let helix = Tensor::<3>::from_data([[[-0.82, 3.14, -1.05]; 9]], &device).require_grad();
/// let atoms = InternalTensors::ideal(helix.clone()).backbone();
/// assert_eq!(atoms.dims(), [1, 10, 3, 3]);
/// let ends = atoms.clone().slice_dim(1, 9..10) - atoms.slice_dim(1, 0..1);
/// let gradients = ends.powf_scalar(2.0).sum().backward();
/// assert_eq!(helix.grad(&gradients).unwrap().dims(), [1, 9, 3]);
/// ```
#[derive(Clone, Debug)]
pub struct InternalTensors {
    /// Psi and omega of a residue and phi of the next, `[B, L - 1, 3]`.
    pub torsions: Tensor<3>,
    /// The length C - N and the angles CA - C - N and C - N - CA of each joint, `[B, L - 1, 3]`.
    pub joints: Tensor<3>,
    /// The lengths N - CA and CA - C and the angle N - CA - C of each residue, `[B, L, 3]`.
    pub residues: Tensor<3>,
}

impl InternalTensors {
    /// Chains of ideal bonds and angles with these torsions, `[B, L - 1, 3]`.
    pub fn ideal(torsions: Tensor<3>) -> Self {
        let [batch, joints, _] = torsions.dims();
        let options = (&torsions.device(), torsions.dtype());
        let rows = |values: [f64; 3], count: usize| {
            Tensor::<3>::from_data(TensorData::new(values.to_vec(), [1, 1, 3]), options)
                .repeat(&[batch, count, 1])
        };
        Self {
            joints: rows(
                [BOND_C_N.mean, ANGLE_CA_C_N.mean, ANGLE_C_N_CA.mean],
                joints,
            ),
            residues: rows(
                [BOND_N_CA.mean, BOND_CA_C.mean, ANGLE_N_CA_C.mean],
                joints + 1,
            ),
            torsions,
        }
    }

    /// Uploads the segments of a chain between its breaks, each a batch of one. What stands in a frame of
    /// its own stands in the identity here.
    pub fn segments(chain: &InternalCoordinates, device: &Device, dtype: DType) -> Vec<Self> {
        let begins = |(link, _): &(Link, ResidueShape)| matches!(link, Link::Placed(_));
        let segments = chain.residues.chunk_by(|_, next| !begins(next));
        segments
            .map(|segment| Self::of_segment(segment, device, dtype))
            .collect()
    }

    fn of_segment(segment: &[(Link, ResidueShape)], device: &Device, dtype: DType) -> Self {
        let joints: Vec<&Joint> = segment
            .iter()
            .skip(1)
            .filter_map(|(link, _)| match link {
                Link::Bonded(joint) => Some(joint),
                Link::Placed(_) => None,
            })
            .collect();
        let upload = |rows: Vec<[f64; 3]>| {
            let shape = [1, rows.len(), 3];
            Tensor::from_data(TensorData::new(rows.concat(), shape), (device, dtype))
        };
        let of_joints = |values: fn(&Joint) -> [f64; 3]| {
            upload(joints.iter().map(|joint| values(joint)).collect())
        };
        let shapes = segment.iter().map(|(_, s)| [s.n_ca, s.ca_c, s.n_ca_c]);
        Self {
            torsions: of_joints(|joint| [joint.psi, joint.omega, joint.phi]),
            joints: of_joints(|joint| [joint.c_n, joint.ca_c_n, joint.c_n_ca]),
            residues: upload(shapes.collect()),
        }
    }

    /// N, CA and C of all residues in angstrom, `[B, L, 3, 3]` (atom, then axis). The first residue stands
    /// in the identity frame, see [`Frame`](crate::Frame).
    ///
    /// Each residue is a product of rigid motions along the chain; the products are formed in
    /// `2 log2 L` batched steps. Gradients flow to torsions, lengths and angles.
    ///
    /// # Panics
    /// When the three do not belong to equally many chains and residues.
    #[track_caller]
    pub fn backbone(&self) -> Tensor<4> {
        let [batch, len, _] = self.residues.dims();
        let joints = [batch, len.saturating_sub(1), 3];
        assert_eq!(
            (
                self.torsions.dims(),
                self.joints.dims(),
                self.residues.dims()
            ),
            (joints, joints, [batch, len, 3]),
            "InternalTensors: [B, L - 1, 3] torsions and joints, [B, L, 3] residues"
        );
        let column = |of: &Tensor<3>, at: usize| of.clone().slice_dim(2, at..at + 1);
        let [n_ca, ca_c, n_ca_c] = [0, 1, 2].map(|at| column(&self.residues, at));

        // From each residue's C to the next one's: the first C stands on the x axis of CA's frame.
        let first = motions(
            ca_c.clone().slice_dim(1, 0..1).zeros_like(),
            ca_c.clone().slice_dim(1, 0..1).zeros_like() + std::f64::consts::PI,
            &ca_c.clone().slice_dim(1, 0..1),
        );
        let mut along = vec![first];
        if len > 1 {
            let next = |of: &Tensor<3>| of.clone().slice_dim(1, 1..len);
            let steps = [
                (column(&self.joints, 1), column(&self.joints, 0)),
                (column(&self.joints, 2), next(&n_ca)),
                (next(&n_ca_c), next(&ca_c)),
            ];
            let steps = steps.into_iter().enumerate();
            let product = steps
                .map(|(at, (angle, length))| motions(column(&self.torsions, at), angle, &length))
                .reduce(Tensor::matmul);
            along.extend(product);
        }
        let at_c = prefix_products(Tensor::cat(along, 1));

        // In the frame at C the bond from CA lies along x and N in the upper half of the xy plane.
        let zero = ca_c.zeros_like();
        let one = zero.ones_like();
        let local =
            |x: Tensor<3>, y: Tensor<3>| Tensor::cat(vec![x, y, zero.clone(), one.clone()], 2);
        let ca = -ca_c;
        let n = [
            ca.clone() + n_ca.clone() * n_ca_c.clone().cos(),
            n_ca * n_ca_c.sin(),
        ];
        let [n_x, n_y] = n;
        let atoms = [
            local(n_x, n_y),
            local(ca, zero.clone()),
            local(zero.clone(), zero.clone()),
        ];
        // [B, L, atom, 4] times the transposed motions [B, L, 4, 4].
        Tensor::stack::<4>(atoms.to_vec(), 2)
            .matmul(at_c.swap_dims(2, 3))
            .slice_dim(3, 0..3)
    }
}

/// The motions from the frame of an atom to that of the next, `[B, n, 1]` each to `[B, n, 4, 4]`. The
/// x axis of an atom's frame goes on along the bond that ends in it, the atom before that bond lies in
/// the upper half of the xy plane.
///
/// # Source
/// Parsons et al. 2005, J. Comput. Chem. 26, 1063.
fn motions(torsion: Tensor<3>, angle: Tensor<3>, length: &Tensor<3>) -> Tensor<4> {
    let [batch, rows, _] = torsion.dims();
    let (turn_cosine, turn_sine) = (torsion.clone().cos(), torsion.sin());
    let (cosine, sine) = (angle.clone().cos(), angle.sin());
    let zero = length.zeros_like();
    let along = [
        -cosine.clone(),
        sine.clone() * turn_cosine.clone(),
        sine.clone() * turn_sine.clone(),
    ];
    let across = [
        -sine,
        -(cosine.clone() * turn_cosine.clone()),
        -(cosine * turn_sine.clone()),
    ];
    let normal = [zero.clone(), -turn_sine, turn_cosine];
    let mut entries = Vec::with_capacity(16);
    for ((along, across), normal) in along.into_iter().zip(across).zip(normal) {
        let shift = along.clone() * length.clone();
        entries.extend([along, across, normal, shift]);
    }
    entries.extend([zero.clone(), zero.clone(), zero.clone(), zero.ones_like()]);
    Tensor::cat(entries, 2).reshape([batch, rows, 4, 4])
}
