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
    /// The frames that the trunk's distogram and what was observed tell: MDS in the hand of proteins, N and C by
    /// the CA trace. No gradient goes this way.
    ///
    /// There are four CA traces to choose from:
    /// 1. MDS of the distances that the distogram expects. They are precise, but those of long chains, or of a
    ///    trunk that is trained too little, can be wrong together and fold the chain over.
    /// 2. MDS of the observed distances that the distogram does not contradict. They are coarse, but wrong each
    ///    by itself.
    /// 3. The second, refined against the expected distances.
    /// 4. MDS of all observed distances, as without a trunk; the second again where the distogram contradicts
    ///    none.
    ///
    /// The trace is taken whose [disagreement](ObservedDistances::disagreement) with all that was observed is
    /// least. The second and the fourth were fitted to observed distances, errors and all, and theirs counts as
    /// the noise that it tells of: a fit hides as much as it has degrees of freedom. (For distances that a fit has
    /// not seen its own error comes on top; but the trunk has seen all of them too.)
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
        let [length, columns, width] = output.distogram.dims();
        sequence.expect_residues("a distogram", length)?;
        sequence.expect_residues("a distogram", columns)?;
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
        let index = &sequence.residue_index;
        let kept = observed
            .uncontradicted_by(&expected)
            .known_distances(index)?;
        let all = observed.known_distances(index)?;
        let by_mds = |known: &KnownDistances| -> Result<Vec<Vector3<f64>>, FoldingError> {
            Ok(embed(known, refinement)?.points)
        };
        let of_kept = by_mds(&kept)?;
        let on = smacof(&known, of_kept.clone(), refinement)?.points;
        // A trace and the observed distances that it was fitted to.
        let mut starts = vec![
            (by_mds(&known)?, None),
            (with_hand_of_proteins(on), None),
            (of_kept, Some(kept.num_pairs())),
        ];
        if kept != all {
            starts.push((by_mds(&all)?, Some(all.num_pairs())));
        }
        let error = |(trace, fitted): &(Vec<Vector3<f64>>, Option<usize>)| {
            let disagreement = observed.disagreement(trace);
            fitted.map_or(disagreement, |pairs| {
                disagreement * noise_over_residual(trace.len(), pairs)
            })
        };
        let best = starts
            .into_iter()
            .min_by(|one, other| error(one).total_cmp(&error(other)));
        let (trace, _) = best.expect("there are three at least");
        let backbone = backbone_of_ca(&trace)?;
        let frames = backbone.residues().iter().map(Frame::of_residue);
        Ok(frames.collect::<Result<_, _>>()?)
    }
}

/// How much larger the noise of distances is than what a fit of points to them leaves: by the root of all distances
/// over those beyond the degrees of freedom.
fn noise_over_residual(points: usize, distances: usize) -> f64 {
    let free = (3 * points).saturating_sub(6);
    if distances <= free {
        return f64::MAX;
    }
    (distances as f64 / (distances - free) as f64).sqrt()
}
