//! How well side-chain torsions are predicted, and how well one guesses them without a structure.

use std::f64::consts::{PI, TAU};

use steerable_protein::AminoAcid;
use steerable_protein::structure::SideChainTorsions;

use super::data::Target;
use super::evaluation::Refined;

/// chi1 counts as right within this angle.
const NEAR: f64 = 40.0 * PI / 180.0;

/// The best constant guess of chi1 for each amino acid.
#[derive(Clone, Debug)]
pub struct CommonChi1 {
    guess: [f64; AminoAcid::COUNT],
}

fn apart(a: f64, b: f64) -> f64 {
    let turn = (a - b).rem_euclid(TAU);
    turn.min(TAU - turn)
}

impl CommonChi1 {
    /// The angle, of those at every 10 degrees, that is right most often in these chains.
    pub fn of(targets: &[Target]) -> Self {
        let mut seen: [Vec<f64>; AminoAcid::COUNT] = Default::default();
        for target in targets {
            let torsions = SideChainTorsions::of(&target.chain.residues);
            for (residue, chi) in target.sequence.amino_acids.iter().zip(torsions.chi) {
                seen[*residue as usize].extend(chi[0]);
            }
        }
        let guess = seen.map(|seen| {
            let hits = |angle: f64| seen.iter().filter(|&&chi| apart(chi, angle) < NEAR).count();
            let angles = (0..36).map(|step| f64::from(step) * TAU / 36.0);
            angles
                .max_by_key(|&angle| hits(angle))
                .expect("there are angles")
        });
        Self { guess }
    }
}

/// The share of the residues with a chi1 where it is right within 40 degrees: predicted, and guessed.
/// `None` where no residue has one.
pub fn chi1_right(
    refined: &[Refined],
    targets: &[Target],
    common: &CommonChi1,
) -> Option<(f64, f64)> {
    let (mut predicted, mut guessed, mut all) = (0, 0, 0);
    for chain in refined {
        let target = &targets[chain.target];
        let truth = SideChainTorsions::of(&target.chain.residues);
        let residues = target.sequence.amino_acids.iter().zip(&chain.chi);
        for ((residue, chi), truth) in residues.zip(truth.chi) {
            let Some(truth) = truth[0] else { continue };
            all += 1;
            predicted += usize::from(apart(chi[0].angle, truth) < NEAR);
            guessed += usize::from(apart(common.guess[*residue as usize], truth) < NEAR);
        }
    }
    let share = |right: usize| right as f64 / all as f64;
    (all > 0).then(|| (share(predicted), share(guessed)))
}
