//! Frames of residues as tensors, differentiable.

use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::{Matrix3, Vector3};
use steerable_kernels::{RowGroups, gather_rows};

use crate::Frame;

/// Rigid motions `x -> R x + t`, one for each residue or one for each edge.
#[derive(Clone, Debug)]
pub struct FrameTensors {
    rotation: Tensor<3>,
    translation: Tensor<2>,
}

/// How frames move, told in their own coordinates: `frame <- frame o (turn, shift)`.
#[derive(Clone, Debug)]
pub struct FrameUpdate {
    /// The vector part (b, c, d) of the quaternion (1, b, c, d) / |(1, b, c, d)|, `[N, 3]`: any vector
    /// is a turn, by less than pi, and no turn is singular.
    pub turn: Tensor<2>,
    /// The shift in angstrom, `[N, 3]`.
    pub shift: Tensor<2>,
}

impl FrameTensors {
    /// Frames of rotation matrices `[N, 3, 3]` and translations `[N, 3]` in angstrom.
    ///
    /// # Panics
    /// When the shapes are others.
    pub fn new(rotation: Tensor<3>, translation: Tensor<2>) -> Self {
        let [rows, ..] = rotation.dims();
        assert_eq!(
            (rotation.dims(), translation.dims()),
            ([rows, 3, 3], [rows, 3]),
            "FrameTensors: [N, 3, 3] rotations and [N, 3] translations"
        );
        Self {
            rotation,
            translation,
        }
    }

    /// Uploads frames.
    pub fn from_frames(frames: &[Frame], device: &Device, dtype: DType) -> Self {
        let len = frames.len();
        // Matrices are stored by columns and uploaded by rows.
        let rotations: Vec<f64> = frames
            .iter()
            .flat_map(|frame| frame.rotation.transpose().as_slice().to_vec())
            .collect();
        let translations: Vec<f64> = frames
            .iter()
            .flat_map(|frame| frame.translation.as_slice().to_vec())
            .collect();
        Self {
            rotation: Tensor::from_data(TensorData::new(rotations, [len, 3, 3]), (device, dtype)),
            translation: Tensor::from_data(
                TensorData::new(translations, [len, 3]),
                (device, dtype),
            ),
        }
    }

    /// Reads the frames back.
    pub fn to_frames(&self) -> Vec<Frame> {
        let rotations = to_f64(self.rotation.clone().into_data());
        let translations = to_f64(self.translation.clone().into_data());
        rotations
            .chunks_exact(9)
            .zip(translations.chunks_exact(3))
            .map(|(rotation, translation)| Frame {
                rotation: Matrix3::from_row_slice(rotation),
                translation: Vector3::from_column_slice(translation),
            })
            .collect()
    }

    /// The rotation matrices, `[N, 3, 3]`.
    pub fn rotation(&self) -> Tensor<3> {
        self.rotation.clone()
    }

    /// The origins in angstrom, `[N, 3]`: CA.
    pub fn translation(&self) -> Tensor<2> {
        self.translation.clone()
    }

    /// The number of frames, N.
    pub fn len(&self) -> usize {
        self.translation.dims()[0]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same numbers, cut from the tape.
    pub fn detach(self) -> Self {
        Self {
            rotation: self.rotation.detach(),
            translation: self.translation.detach(),
        }
    }

    /// The frames of consecutive rows.
    pub fn rows(&self, rows: std::ops::Range<usize>) -> Self {
        Self {
            rotation: self.rotation.clone().slice_dim(0, rows.clone()),
            translation: self.translation.clone().slice_dim(0, rows),
        }
    }

    /// Points of the frames' own coordinates in those of the chain: `[N, P, 3]` to `[N, P, 3]`.
    pub fn apply(&self, points: Tensor<3>) -> Tensor<3> {
        rotate(&self.rotation, points) + self.translation.clone().unsqueeze_dim::<3>(1)
    }

    /// Vectors of the chain's coordinates in those of the frames: `[N, 3]` to `[N, 3]`.
    pub fn vectors_into(&self, vectors: Tensor<2>) -> Tensor<2> {
        vectors
            .unsqueeze_dim::<3>(1)
            .matmul(self.rotation.clone())
            .squeeze_dim(1)
    }

    /// First `other`, then these: frame by frame.
    pub fn compose(&self, other: &Self) -> Self {
        let origin = other.translation.clone().unsqueeze_dim::<3>(1);
        Self {
            rotation: self.rotation.clone().matmul(other.rotation.clone()),
            translation: self.apply(origin).squeeze_dim(1),
        }
    }

    /// The frames after an update told in their own coordinates.
    pub fn moved(&self, update: FrameUpdate) -> Self {
        self.compose(&Self {
            rotation: rotation_of_turn(&update.turn),
            translation: update.shift,
        })
    }

    /// The frame of each edge's source in that of its destination, `dst^-1 o src`: invariant under
    /// motions of the whole, and it loses no digits far from the origin.
    pub fn relative(&self, src: &RowGroups, dst: &RowGroups) -> Self {
        let [to, from] = [dst, src].map(|ends| self.gather(ends));
        let into = to.rotation.clone().swap_dims(1, 2);
        Self {
            rotation: into.matmul(from.rotation),
            translation: to.vectors_into(from.translation - to.translation.clone()),
        }
    }

    fn gather(&self, ends: &RowGroups) -> Self {
        let rotation = self.rotation.clone().reshape([self.len(), 9]);
        let rows = ends.num_rows();
        Self {
            rotation: gather_rows(rotation, ends).reshape([rows, 3, 3]),
            translation: gather_rows(self.translation.clone(), ends),
        }
    }
}

/// `R p` for the points `[N, P, 3]` of each row.
fn rotate(rotation: &Tensor<3>, points: Tensor<3>) -> Tensor<3> {
    points.matmul(rotation.clone().swap_dims(1, 2))
}

/// The rotation matrices of the quaternions (1, b, c, d) made unit: `[N, 3]` to `[N, 3, 3]`.
///
/// # Source
/// Jumper et al. 2021, supplement, algorithm 23.
fn rotation_of_turn(turn: &Tensor<2>) -> Tensor<3> {
    let [rows, _] = turn.dims();
    let square = (turn.clone() * turn.clone()).sum_dim(1) + 1.0;
    let [b, c, d] = [0, 1, 2].map(|axis| turn.clone().slice_dim(1, axis..axis + 1));
    let product = |x: &Tensor<2>, y: &Tensor<2>| x.clone() * y.clone() * 2.0;
    // 2 (v v^T + a [v]) + (a^2 - |v|^2) with a = 1, over the squared length.
    let scalar = -(square.clone() - 2.0);
    let [bc, bd, cd] = [product(&b, &c), product(&b, &d), product(&c, &d)];
    let entries = vec![
        product(&b, &b) + scalar.clone(),
        bc.clone() - d.clone() * 2.0,
        bd.clone() + c.clone() * 2.0,
        bc + d.clone() * 2.0,
        product(&c, &c) + scalar.clone(),
        cd.clone() - b.clone() * 2.0,
        bd - c.clone() * 2.0,
        cd + b * 2.0,
        product(&d, &d) + scalar,
    ];
    (Tensor::cat(entries, 1) / square).reshape([rows, 3, 3])
}

fn to_f64(data: TensorData) -> Vec<f64> {
    data.convert::<f64>()
        .try_into_vec()
        .expect("they were just converted")
}
