//! Side-chain torsions of residues, as far as their atoms are there.

use burn::tensor::{DType, Device, Tensor, TensorData};

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

    /// Uploads them, as [`torsion_loss`](super::torsion_loss) reads them.
    pub fn to_device(&self, device: &Device, dtype: DType) -> TorsionTargets {
        let rows = self.chi.len();
        let upload = |numbers: Vec<f64>, width| {
            let data = TensorData::new(numbers, [rows, MAX_CHI, width]);
            Tensor::from_data(data, (device, dtype))
        };
        let chi = || self.chi.iter().flatten();
        let circle = chi().flat_map(|chi| chi.map_or([0.0; 2], |x| x.sin_cos().into()));
        let known = chi().map(|chi| f64::from(u8::from(chi.is_some())));
        let symmetric = self.symmetric.iter().flatten();
        TorsionTargets {
            truth: upload(circle.collect(), 2),
            known: upload(known.collect(), 1),
            symmetric: upload(symmetric.map(|&s| f64::from(u8::from(s))).collect(), 1),
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
    /// Sine and cosine, `[N, 4, 2]`; zero where the torsion is not there.
    pub truth: Tensor<3>,
    /// One where the torsion is there, else zero, `[N, 4, 1]`.
    pub known: Tensor<3>,
    /// One where half a turn gives the same side chain, else zero, `[N, 4, 1]`.
    pub symmetric: Tensor<3>,
}
