//! How alike two structures are, chain by chain.

use indicatif::ProgressBar;
use serde::Serialize;
use steerable_protein::{
    Chain, ClashConfig, CompareError, LddtConfig, Matched, Stereochemistry, StereochemistryError,
    StereochemistrySummary,
};
use thiserror::Error;

use super::correspondence::{Correspondence, pair_chains};

/// Two structures that cannot be compared.
#[derive(Debug, Error)]
pub enum ComparisonError {
    /// No chain of one has the name of a chain of the other.
    #[error("no chains of one name: {} in the model, {} in the reference", model.join(", "), reference.join(", "))]
    NoCommonChain {
        /// The chains of the model.
        model: Vec<String>,
        /// Those of the reference.
        reference: Vec<String>,
    },
    /// No residue of one has the number of a residue of the other.
    #[error("chains {model} and {reference} have no residue number with N, CA and C in common")]
    NoCommonResidue {
        /// The chain of the model.
        model: String,
        /// That of the reference.
        reference: String,
    },
    /// The residues cannot be compared.
    #[error("chains {model} and {reference}: {source}")]
    Residues {
        /// The chain of the model.
        model: String,
        /// That of the reference.
        reference: String,
        /// Why not.
        source: CompareError,
    },
    /// The geometry cannot be measured.
    #[error(transparent)]
    Geometry(#[from] StereochemistryError),
}

/// What is unusual in the geometry of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Geometry {
    /// Pairs of atoms of different residues that are too close.
    pub clashes: usize,
    /// Bond lengths that are outliers.
    pub bonds: usize,
    /// Bond angles that are outliers.
    pub angles: usize,
    /// Cis peptides, not before proline.
    pub cis: usize,
    /// Peptides that are neither trans nor cis.
    pub twisted: usize,
    /// Residues without the chirality of an L amino acid.
    pub chirality: usize,
}

impl Geometry {
    fn of(chain: &Chain) -> Result<Self, StereochemistryError> {
        let measured = Stereochemistry::of(std::slice::from_ref(chain), ClashConfig::default())?;
        let StereochemistrySummary {
            clashes,
            bonds,
            angles,
            cis,
            twisted,
            chirality,
            ..
        } = measured.summary();
        Ok(Self {
            clashes,
            bonds,
            angles,
            cis,
            twisted,
            chirality,
        })
    }
}

/// Scores over all residues of the reference: those that the model lacks count as wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TargetScores {
    /// Residues of the reference with N, CA and C: what the scores are divided by.
    pub residues: usize,
    /// TM-score.
    pub tm_score: f64,
    /// GDT-TS, in 0..=1.
    pub gdt_ts: f64,
    /// GDT-HA, in 0..=1.
    pub gdt_ha: f64,
    /// lDDT of the CA atoms, in 0..=1; none without neighbours.
    pub lddt: Option<f64>,
    /// lDDT of N, CA and C.
    pub lddt_backbone: Option<f64>,
}

/// Two chains compared. Scores are of the residues with one number in both, but for `target`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChainComparison {
    /// The chain of the model.
    pub model_chain: String,
    /// The chain of the reference.
    pub reference_chain: String,
    /// Residues compared.
    pub residues: usize,
    /// Residues of the model that were left out.
    pub only_in_model: usize,
    /// Residues of the reference that were left out.
    pub only_in_reference: usize,
    /// Residues compared that are different amino acids.
    pub different: usize,
    /// CA-RMSD after superposition, in angstrom.
    pub rmsd: f64,
    /// RMSD of N, CA and C after their superposition, in angstrom.
    pub rmsd_backbone: f64,
    /// Scores over the whole reference.
    pub target: TargetScores,
    /// GDT-TS of the residues compared, in 0..=1.
    pub gdt_ts: f64,
    /// GDT-HA of the residues compared, in 0..=1.
    pub gdt_ha: f64,
    /// lDDT of the CA atoms, in 0..=1; none without neighbours.
    pub lddt: Option<f64>,
    /// lDDT of N, CA and C.
    pub lddt_backbone: Option<f64>,
    /// The model's geometry.
    pub model: Geometry,
    /// The reference's geometry.
    pub reference: Geometry,
}

/// Two structures compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Chain by chain.
    pub chains: Vec<ChainComparison>,
    /// Chains of the model without a partner.
    pub model_only: Vec<String>,
    /// Chains of the reference without a partner.
    pub reference_only: Vec<String>,
    /// Clashes of all chains of the model, those between chains included.
    pub model_clashes: usize,
    /// The same of the reference.
    pub reference_clashes: usize,
}

impl Comparison {
    /// Compares structures; the bar moves by [`STEPS`] for each pair of chains.
    ///
    /// # Errors
    /// [`ComparisonError`].
    pub fn of(
        model: &[Chain],
        reference: &[Chain],
        bar: &ProgressBar,
    ) -> Result<Self, ComparisonError> {
        let pairs = pair_chains(model, reference);
        let ids = |chains: &[Chain]| chains.iter().map(|chain| chain.id.clone()).collect();
        if pairs.is_empty() {
            return Err(ComparisonError::NoCommonChain {
                model: ids(model),
                reference: ids(reference),
            });
        }
        bar.set_length(STEPS * pairs.len() as u64);
        let chains = pairs
            .iter()
            .map(|&[one, two]| ChainComparison::of(&model[one], &reference[two], bar))
            .collect::<Result<_, _>>()?;
        let without = |chains: &[Chain], side: usize| {
            let lonely = chains
                .iter()
                .enumerate()
                .filter(|(at, _)| !pairs.iter().any(|pair| pair[side] == *at));
            lonely.map(|(_, chain)| chain.id.clone()).collect()
        };
        let clashes = |chains: &[Chain]| {
            let measured = Stereochemistry::of(chains, ClashConfig::default());
            measured.map(|measured| measured.num_clashes)
        };
        Ok(Self {
            chains,
            model_only: without(model, 0),
            reference_only: without(reference, 1),
            model_clashes: clashes(model)?,
            reference_clashes: clashes(reference)?,
        })
    }
}

/// Parts of the comparison of two chains, for a progress bar.
pub const STEPS: u64 = 4;

impl ChainComparison {
    fn of(model: &Chain, reference: &Chain, bar: &ProgressBar) -> Result<Self, ComparisonError> {
        let (of_model, of_reference) = (model.id.clone(), reference.id.clone());
        let found = Correspondence::of(model, reference);
        if found.model.is_empty() {
            return Err(ComparisonError::NoCommonResidue {
                model: of_model,
                reference: of_reference,
            });
        }
        let scores = Scores::of(&found, bar).map_err(|source| ComparisonError::Residues {
            model: of_model.clone(),
            reference: of_reference.clone(),
            source,
        })?;
        let geometry = [model, reference].map(Geometry::of);
        bar.inc(1);
        let [of_one, of_other] = geometry;
        Ok(Self {
            model_chain: of_model,
            reference_chain: of_reference,
            residues: found.model.len(),
            only_in_model: found.only_in_model,
            only_in_reference: found.only_in_reference,
            different: found.different,
            rmsd: scores.rmsd,
            rmsd_backbone: scores.rmsd_backbone,
            target: scores.target,
            gdt_ts: scores.gdt_ts,
            gdt_ha: scores.gdt_ha,
            lddt: scores.lddt,
            lddt_backbone: scores.lddt_backbone,
            model: of_one?,
            reference: of_other?,
        })
    }
}

struct Scores {
    rmsd: f64,
    rmsd_backbone: f64,
    target: TargetScores,
    gdt_ts: f64,
    gdt_ha: f64,
    lddt: Option<f64>,
    lddt_backbone: Option<f64>,
}

impl Scores {
    fn of(found: &Correspondence, bar: &ProgressBar) -> Result<Self, CompareError> {
        let [model, reference] = [&found.model, &found.reference]
            .map(|of| of.iter().map(|residue| residue.ca).collect::<Vec<_>>());
        let ca = Matched {
            model: &model,
            reference: &reference,
        };
        let rmsd = ca.superpose()?.rmsd;
        let atoms = [&found.model, &found.reference].map(|of| {
            of.iter()
                .flat_map(steerable_protein::BackboneResidue::atoms)
                .collect::<Vec<_>>()
        });
        let of_atoms = Matched {
            model: &atoms[0],
            reference: &atoms[1],
        };
        let rmsd_backbone = of_atoms.superpose()?.rmsd;
        let residues = Matched {
            model: found.model.as_slice(),
            reference: found.reference.as_slice(),
        };
        let lddt = ca.lddt(LddtConfig::default())?;
        let lddt_backbone = residues.lddt(LddtConfig::default())?;
        // Compared with itself the reference tells how many distances it has.
        let target_ca: Vec<_> = found.target.iter().map(|residue| residue.ca).collect();
        let target_ca = Matched {
            model: target_ca.as_slice(),
            reference: &target_ca,
        };
        let target = Matched {
            model: found.target.as_slice(),
            reference: &found.target,
        };
        let distances = target_ca.lddt(LddtConfig::default())?.num_distances;
        let distances_backbone = target.lddt(LddtConfig::default())?.num_distances;
        bar.inc(1);
        let length = found.target.len();
        let tm_score = ca.tm_score(length)?.score;
        bar.inc(1);
        let gdt = ca.gdt()?;
        bar.inc(1);
        let share = model.len() as f64 / length as f64;
        Ok(Self {
            rmsd,
            rmsd_backbone,
            target: TargetScores {
                residues: length,
                tm_score,
                gdt_ts: share * gdt.total_score(),
                gdt_ha: share * gdt.high_accuracy(),
                lddt: lddt.of_target(distances),
                lddt_backbone: lddt_backbone.of_target(distances_backbone),
            },
            gdt_ts: gdt.total_score(),
            gdt_ha: gdt.high_accuracy(),
            lddt: lddt.global,
            lddt_backbone: lddt_backbone.global,
        })
    }
}
