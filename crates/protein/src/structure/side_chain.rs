//! Side-chain torsions of residues, as far as their atoms are there.

use burn::tensor::{DType, Device, Tensor, TensorData, activation};

use super::torsion_bins::{ExpectedTorsion, TorsionBins};
use crate::{AminoAcid, Residue, torsion_angle};

/// The most side-chain torsions of a residue.
pub const MAX_CHI: usize = 4;

/// chi1 to chi4 of residues.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SideChainTorsions {
    /// In radians; `None` where the residue has none or an atom is missing.
    pub chi: Vec<[Option<f64>; MAX_CHI]>,
    /// Whether half a turn gives the same side chain.
    pub symmetric: Vec<[bool; MAX_CHI]>,
}

impl SideChainTorsions {
    /// Of residues with the atoms that were found.
    pub fn of(residues: &[Residue]) -> Self {
        let chi = residues.iter().map(|residue| {
            let mut chi = [None; MAX_CHI];
            for (chi, names) in chi.iter_mut().zip(residue.amino_acid.chi_atoms()) {
                let [a, b, c, d] = names.map(|name| residue.position(name));
                *chi = (|| torsion_angle(&[a?, b?, c?, d?]))();
            }
            chi
        });
        Self {
            chi: chi.collect(),
            symmetric: residues.iter().map(|r| symmetric(r.amino_acid)).collect(),
        }
    }

    /// Uploads the bins they are in, as [`torsion_loss`](super::torsion_loss) reads them.
    pub fn to_device(&self, bins: TorsionBins, device: &Device, dtype: DType) -> TorsionTargets {
        let (rows, width) = (self.chi.len(), bins.len());
        let mut truth = vec![0.0; rows * MAX_CHI * width];
        let mut known = vec![0.0; rows * MAX_CHI];
        let torsions = self.chi.iter().flatten();
        for (at, (chi, symmetric)) in torsions.zip(self.symmetric.iter().flatten()).enumerate() {
            let Some(chi) = chi else { continue };
            let bin = bins.bin(*chi);
            known[at] = 1.0;
            truth[at * width + bin] = 1.0;
            if *symmetric {
                truth[at * width + bins.half_turn(bin)] = 1.0;
            }
        }
        let upload = |numbers: Vec<f64>, width| {
            let data = TensorData::new(numbers, [rows, MAX_CHI, width]);
            Tensor::from_data(data, (device, dtype))
        };
        TorsionTargets {
            truth: upload(truth, width),
            known: upload(known, 1),
        }
    }
}

/// The carboxylates and rings that half a turn of their last torsion leaves as they were.
fn symmetric(amino_acid: AminoAcid) -> [bool; MAX_CHI] {
    let turned = match amino_acid {
        AminoAcid::AsparticAcid | AminoAcid::Phenylalanine | AminoAcid::Tyrosine => 1,
        AminoAcid::GlutamicAcid => 2,
        _ => return [false; MAX_CHI],
    };
    std::array::from_fn(|torsion| torsion == turned)
}

/// [`SideChainTorsions`] on a device.
#[derive(Clone, Debug)]
pub struct TorsionTargets {
    /// One in the bin of the torsion, and in the one half a turn away where that gives the same side
    /// chain, else zero, `[N, 4, bins]`; all zero where the torsion is not there.
    pub truth: Tensor<3>,
    /// One where the torsion is there, else zero, `[N, 4, 1]`.
    pub known: Tensor<3>,
}

/// The most probable side-chain torsions of each residue, as many as its side chain has; those that half
/// a turn leaves as they are in one of both halves.
///
/// # Shapes
/// - logits: `[N, 4, bins]`
///
/// # Panics
/// When there are not as many rows as residues, or an odd number of bins.
pub fn expected_torsions(
    amino_acids: &[AminoAcid],
    logits: Tensor<3>,
) -> Vec<Vec<ExpectedTorsion>> {
    let [rows, _, width] = logits.dims();
    assert_eq!(
        rows,
        amino_acids.len(),
        "expected_torsions: an amino acid for each row"
    );
    let bins = TorsionBins::new(width);
    let probabilities = activation::softmax(logits, 2).into_data().convert::<f64>();
    let probabilities: Vec<f64> = probabilities
        .try_into_vec()
        .expect("they were just converted");
    let residues = amino_acids.iter().enumerate().map(|(row, &amino_acid)| {
        let symmetric = symmetric(amino_acid);
        let torsions = (0..amino_acid.chi_atoms().len()).map(|torsion| {
            let first = (row * MAX_CHI + torsion) * width;
            let of_bins = &probabilities[first..first + width];
            match symmetric[torsion] {
                true => bins.most_probable_of_symmetric(of_bins),
                false => bins.most_probable(of_bins),
            }
        });
        torsions.collect()
    });
    residues.collect()
}
