//! Whether residues that follow each other are still bonded.

use burn::tensor::{Tensor, TensorData};

use super::frames::FrameTensors;
use super::loss::ideal_atoms;
use crate::ideal::{ANGLE_C_N_CA, ANGLE_CA_C_N, BOND_C_N, BOND_CA_C, BOND_N_CA, distance_across};

const N: usize = 0;
const CA: usize = 1;
const C: usize = 2;

/// How far the peptides of ideal residues in the predicted frames are from ideal ones, in angstrom, `[1]`:
/// the mean error of the distances C - N, CA - N and C - CA across each bond, which fix its length and both
/// angles. Zero without bonds.
///
/// `bonded`: for each residue whether it is bonded to the one before it.
///
/// # Source
/// Jumper et al. 2021, supplement, section 1.9.11, with distances in place of angles and without tolerances.
pub fn peptide_loss(predicted: &FrameTensors, bonded: &[bool]) -> Tensor<1> {
    let length = predicted.len();
    assert_eq!(
        length,
        bonded.len(),
        "peptide_loss: a bond for each residue"
    );
    let (device, dtype) = {
        let ca = predicted.translation();
        (ca.device(), ca.dtype())
    };
    let bonds: Vec<f32> = bonded.iter().skip(1).map(|&b| f32::from(b)).collect();
    let count: f32 = bonds.iter().sum();
    if count == 0.0 {
        return Tensor::zeros([1], (&device, dtype));
    }
    let bonds = Tensor::<2>::from_data(TensorData::new(bonds, [length - 1, 1]), (&device, dtype));
    let atoms = ideal_atoms(predicted);
    let before = atoms.clone().slice_dim(0, 0..length - 1);
    let after = atoms.slice_dim(0, 1..length);
    let atom = |of: &Tensor<3>, which: usize| -> Tensor<2> {
        of.clone().slice_dim(1, which..which + 1).squeeze_dim(1)
    };
    let [c_n, ca_c, n_ca] = [BOND_C_N, BOND_CA_C, BOND_N_CA].map(|bond| bond.mean);
    let distances = [
        (C, N, c_n),
        (CA, N, distance_across([ca_c, c_n], ANGLE_CA_C_N.mean)),
        (C, CA, distance_across([c_n, n_ca], ANGLE_C_N_CA.mean)),
    ];
    let mut sum = Tensor::zeros([length - 1, 1], (&device, dtype));
    for (from, to, ideal) in distances {
        let apart = atom(&after, to) - atom(&before, from);
        // The root of a zero distance has no gradient, nor has the size of a zero error.
        let distance = ((apart.clone() * apart).sum_dim(1) + 1e-6).sqrt();
        let error = distance - ideal;
        sum = sum + ((error.clone() * error) + 1e-6).sqrt();
    }
    (sum * bonds).sum() * f64::from(3.0 * count).recip()
}
