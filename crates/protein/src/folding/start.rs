//! Coordinates to start from, out of distances.

use nalgebra::Vector3;

use super::error::FoldingError;
use super::model::{FoldingModel, ResidueSequence};
use crate::trunk::{ObservedDistances, TrunkOutput, distances_for_mds};
use crate::{
    ExpectedDistance, Frame, KnownDistances, SmacofConfig, backbone_of_ca, embed, smacof,
    with_hand_of_proteins,
};

impl FoldingModel {
    /// The frames that the trunk's distogram tells: expected distances, MDS in the hand of proteins, N
    /// and C by the CA trace. No gradient goes this way.
    ///
    /// Two starts are refined against the expected distances: what classical MDS makes of them, and what MDS
    /// makes of the observed distances that the distogram does not contradict. Expected distances are precise,
    /// but those of long chains can be wrong together and fold the first start over; observed ones are coarse,
    /// but wrong each by itself. The refined trace that disagrees least with what was observed is taken.
    ///
    /// # Errors
    /// [`FoldingError`]: distances of other residues, in other bins or that give no coordinates.
    pub fn start_from(
        &self,
        sequence: &ResidueSequence,
        observed: &ObservedDistances,
        output: &TrunkOutput,
        refinement: SmacofConfig,
    ) -> Result<Vec<Frame>, FoldingError> {
        self.expect_readable(sequence, observed)?;
        let bins = self.config().bins.bins()?;
        let [length, _, width] = output.distogram.dims();
        let probabilities = output.probabilities();
        let of_pair = |i: usize, j: usize| {
            let first = (i * length + j) * width;
            &probabilities[first..first + width]
        };
        let known = distances_for_mds(&bins, &sequence.residue_index, of_pair)?;
        let of_pairs = probabilities.chunks_exact(width);
        let expected: Vec<ExpectedDistance> = of_pairs
            .map(|probabilities| bins.expected(probabilities))
            .collect::<Result<_, _>>()?;
        let kept = observed.uncontradicted_by(&expected);
        let kept = kept.known_distances(&sequence.residue_index)?;

        let from_expected = embed(&known, refinement)?.points;
        let from_observed = refined(&known, embed(&kept, refinement)?.points, refinement)?;
        let [one, other] = [&from_expected, &from_observed].map(|x| observed.disagreement(x));
        let trace = if other < one {
            from_observed
        } else {
            from_expected
        };
        let backbone = backbone_of_ca(&trace)?;
        let frames = backbone.residues().iter().map(Frame::of_residue);
        Ok(frames.collect::<Result<_, _>>()?)
    }
}

fn refined(
    known: &KnownDistances,
    start: Vec<Vector3<f64>>,
    refinement: SmacofConfig,
) -> Result<Vec<Vector3<f64>>, FoldingError> {
    let points = smacof(known, start, refinement)?.points;
    Ok(with_hand_of_proteins(points))
}
