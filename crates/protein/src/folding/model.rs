//! Trunk and structure module as one model.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::Matrix3;
use steerable_kernels::{RowGroups, gather_rows};

use super::config::FoldingConfig;
use super::error::FoldingError;
use crate::structure::{
    AnyLayer, ExpectedTorsion, FrameTensors, ResidueGraph, StructureInputs, StructureModule,
    StructureOutput, expected_lddt, expected_torsions, one_hot,
};
use crate::trunk::{Observations, ObservedDistances, Trunk, TrunkInputs, TrunkOutput};
use crate::{AminoAcid, Frame, SmacofConfig};

/// What checkpoints call a [`FoldingModel`]: the kind of model that their header names.
pub const MODEL_KIND: &str = "folding";

/// What a chain is made of, without its shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResidueSequence {
    /// The residues.
    pub amino_acids: Vec<AminoAcid>,
    /// Their places along the chain, with jumps at breaks, as
    /// [`residue_index`](crate::structure::residue_index) counts.
    pub residue_index: Vec<i32>,
}

impl ResidueSequence {
    /// Whether something is of as many residues as this.
    pub(super) fn expect_residues(
        &self,
        what: &'static str,
        found: usize,
    ) -> Result<(), FoldingError> {
        let expected = self.amino_acids.len();
        let places = ("places along the chain", self.residue_index.len());
        for (what, found) in [places, (what, found)] {
            if found != expected {
                return Err(FoldingError::OtherLength {
                    what,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }
}

/// What refinement gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Refinement {
    /// Where it started.
    pub start: Vec<Frame>,
    /// The frames behind the last pass.
    pub frames: Vec<Frame>,
    /// The predicted lDDT of each residue, in 0..=1.
    pub confidence: Vec<f64>,
    /// The most probable side-chain torsions of each residue, chi1 first, as many as it has.
    pub chi: Vec<Vec<ExpectedTorsion>>,
}

/// A structure module that runs on its own output, and a trunk before it where it starts from distances.
///
/// Equivariant: when the start moves, the result moves with it; from distances, which do not know where
/// the chain lies, the result lies where MDS puts it.
#[derive(Module, Debug)]
pub struct FoldingModel {
    /// From distances to pair features.
    pub trunk: Option<Trunk>,
    /// What moves the frames.
    pub structure: StructureModule<AnyLayer>,
    #[module(skip)]
    config: FoldingConfig,
}

impl FoldingModel {
    pub(super) fn new(
        trunk: Option<Trunk>,
        structure: StructureModule<AnyLayer>,
        config: FoldingConfig,
    ) -> Self {
        Self {
            trunk,
            structure,
            config,
        }
    }

    /// What it was built from.
    pub fn config(&self) -> &FoldingConfig {
        &self.config
    }

    /// Where its parameters are, and their type: its inputs must be like them.
    pub fn place(&self) -> (Device, DType) {
        let parameter = self.structure.embed_residues.weight.val();
        (parameter.device(), parameter.dtype())
    }

    fn residues(&self, sequence: &ResidueSequence) -> Tensor<2> {
        let (device, dtype) = self.place();
        let classes = sequence.amino_acids.iter();
        let classes: Vec<usize> = classes.map(|&residue| residue as usize).collect();
        one_hot(&classes, AminoAcid::COUNT, &device, dtype)
    }

    /// Applies the structure module once to the frames of the moment, on the graph of their neighbours.
    /// Every residue is told where it started, as seen from where it is.
    ///
    /// `pairs`: features of all pairs, `[L, L, c]`, where the model has a trunk.
    ///
    /// # Errors
    /// [`FoldingError::OtherLength`]; [`FoldingError::Graph`]: positions that are not finite.
    pub fn pass(
        &self,
        sequence: &ResidueSequence,
        start: &[Frame],
        frames: &[Frame],
        pairs: Option<&Tensor<3>>,
    ) -> Result<StructureOutput, FoldingError> {
        sequence.expect_residues("frames to start from", start.len())?;
        sequence.expect_residues("frames", frames.len())?;
        if let Some(pairs) = pairs {
            let [rows, columns, _] = pairs.dims();
            sequence.expect_residues("features of pairs", rows)?;
            sequence.expect_residues("features of pairs", columns)?;
        }
        let (device, dtype) = self.place();
        let ca: Vec<[f64; 3]> = frames
            .iter()
            .map(|frame| frame.translation.into())
            .collect();
        let moved = TensorData::new(start_seen_from(start, frames), [frames.len(), MOVED]);
        let moved = Tensor::from_data(moved, (&device, dtype));
        let graph = ResidueGraph::new(&ca, &sequence.residue_index, &self.config.neighbours)?;
        Ok(self.structure.forward(&StructureInputs {
            residues: Tensor::cat(vec![self.residues(sequence), moved], 1),
            pairs: pairs.map(|pairs| of_edges(pairs, &graph, &device)),
            frames: FrameTensors::from_frames(frames, &device, dtype),
            graph: graph.to_device(&device, dtype),
        }))
    }

    /// Applies the structure module again and again, each time on the graph of its last output, which is
    /// cut from the tape.
    ///
    /// # Errors
    /// As [`pass`](Self::pass).
    pub fn refine(
        &self,
        sequence: &ResidueSequence,
        start: Vec<Frame>,
        pairs: Option<&Tensor<3>>,
        num_passes: usize,
    ) -> Result<Refinement, FoldingError> {
        let mut frames = start.clone();
        let mut last = None;
        for _ in 0..num_passes.max(1) {
            let output = self.pass(sequence, &start, &frames, pairs)?;
            frames = output.prediction().to_frames();
            last = Some(output);
        }
        let last = last.expect("there is at least one pass");
        let confidence = expected_lddt(last.confidence).into_data();
        Ok(Refinement {
            start,
            frames,
            confidence: confidence.iter::<f64>().collect(),
            chi: expected_torsions(&sequence.amino_acids, last.chi),
        })
    }

    /// Applies the trunk to observed distances, and to orientations where the model reads them.
    ///
    /// # Errors
    /// [`FoldingError::NoTrunk`]; [`FoldingError::NeedsOrientations`] and
    /// [`FoldingError::ReadsNoOrientations`] where what was observed is not what the model reads;
    /// [`FoldingError::OtherLength`], [`FoldingError::OtherDistanceBins`] and
    /// [`FoldingError::OtherOrientationBins`].
    pub fn read_distances<'a>(
        &self,
        sequence: &ResidueSequence,
        observed: impl Into<Observations<'a>>,
    ) -> Result<TrunkOutput, FoldingError> {
        let trunk = self.trunk.as_ref().ok_or(FoldingError::NoTrunk)?;
        let (device, dtype) = self.place();
        let observed = observed.into();
        self.expect_readable(sequence, observed.distances)?;
        let distances = observed.distances.features(&device, dtype);
        let pairs = match (self.config.orientation_bins, observed.orientations) {
            (None, None) => distances,
            (Some(expected), Some(seen)) => {
                sequence.expect_residues("observed orientations", seen.len())?;
                let found = seen.bins().len();
                if found != expected {
                    return Err(FoldingError::OtherOrientationBins { found, expected });
                }
                Tensor::cat(vec![distances, seen.features(&device, dtype)], 2)
            }
            (Some(_), None) => return Err(FoldingError::NeedsOrientations),
            (None, Some(_)) => return Err(FoldingError::ReadsNoOrientations),
        };
        Ok(trunk.forward(&TrunkInputs::new(
            self.residues(sequence),
            pairs,
            &sequence.residue_index,
        )))
    }

    /// Whether distances are of the residues of the sequence and in the bins that the model reads.
    pub(super) fn expect_readable(
        &self,
        sequence: &ResidueSequence,
        observed: &ObservedDistances,
    ) -> Result<(), FoldingError> {
        sequence.expect_residues("observed distances", observed.len())?;
        let bins = self.config.bins.bins()?;
        if *observed.bins() != bins {
            return Err(FoldingError::OtherDistanceBins {
                found: observed.bins().edges().to_vec(),
                expected: bins.edges().to_vec(),
            });
        }
        Ok(())
    }

    /// From what was observed of pairs to a structure: trunk, MDS, refinement.
    ///
    /// # Errors
    /// [`FoldingError`].
    pub fn fold<'a>(
        &self,
        sequence: &ResidueSequence,
        observed: impl Into<Observations<'a>>,
    ) -> Result<Refinement, FoldingError> {
        let observed = observed.into();
        let read = self.read_distances(sequence, observed)?;
        let refinement = SmacofConfig::default();
        let start = self.start_from(sequence, observed.distances, &read, refinement)?;
        self.refine(sequence, start, Some(&read.pairs), self.config.num_passes)
    }
}

/// Numbers that tell where the start of a residue lies as seen from its frame.
const MOVED: usize = 12;

/// Features of a residue that the structure module of a [`FoldingModel`] reads: the amino acid, and where
/// the residue started.
pub(super) const RESIDUE_INPUTS: usize = AminoAcid::COUNT + MOVED;

/// `T^-1 T_start` of each residue: the rotation less the identity, then the shift in angstrom.
fn start_seen_from(start: &[Frame], frames: &[Frame]) -> Vec<f64> {
    let mut numbers = Vec::with_capacity(MOVED * frames.len());
    for (start, frame) in start.iter().zip(frames) {
        let seen = frame.inverse().compose(start);
        let turned = seen.rotation - Matrix3::identity();
        numbers.extend(turned.iter().chain(seen.translation.iter()));
    }
    numbers
}

/// What the destination of each edge knows of its source, `[E, c]`.
fn of_edges(pairs: &Tensor<3>, graph: &ResidueGraph, device: &Device) -> Tensor<2> {
    let [length, _, width] = pairs.dims();
    let graph = graph.graph();
    let rows: Vec<u32> = (0..length)
        .flat_map(|dst| {
            let sources = &graph.src()[graph.incoming(dst)];
            sources.iter().map(move |src| (dst * length) as u32 + src)
        })
        .collect();
    let rows = RowGroups::new(&rows, length * length, device);
    gather_rows(pairs.clone().reshape([length * length, width]), &rows)
}
