//! Frame aligned point error: how far points are from the truth as each residue sees them.

use nalgebra::Vector3;
use rayon::prelude::*;

use crate::{BackboneResidue, CompareError, Frame, Matched};

/// The constants of the error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FapeConfig {
    /// Distances above this one count as this one, in angstrom; `None` counts them as they are.
    pub clamp: Option<f64>,
    /// Distances are divided by it, in angstrom.
    pub scale: f64,
    /// Added to squared distances, in square angstrom; makes the error smooth where it is 0.
    pub epsilon: f64,
}

impl Default for FapeConfig {
    fn default() -> Self {
        Self {
            clamp: Some(10.0),
            scale: 10.0,
            epsilon: 1e-4,
        }
    }
}

/// Mean over frames i and points j of
/// `min(clamp, sqrt(|T_i^-1 x_j - T'_i^-1 x'_j|^2 + epsilon)) / scale`.
///
/// A mirror image has an error: frames are right-handed. O(frames x points).
///
/// # Shapes
/// `[L]` frames and `[P]` points, of the model and of the reference.
///
/// # Errors
/// [`CompareError`]: unequal numbers, none, coordinates that are not finite.
///
/// # Source
/// Jumper et al. 2021, supplement, algorithm 28 (`computeFAPE`).
pub fn fape(
    frames: Matched<'_, Frame>,
    points: Matched<'_>,
    config: FapeConfig,
) -> Result<f64, CompareError> {
    let num_frames = frames.check_with(|frame| {
        let [x, y, z] = [0, 1, 2].map(|i| frame.rotation.column(i).into_owned());
        [frame.translation, x, y, z]
    })?;
    let num_points = points.check()?;
    let clamp = config.clamp.unwrap_or(f64::INFINITY);
    let rows: Vec<f64> = frames
        .model
        .par_iter()
        .zip(frames.reference)
        .map(|(model, reference)| {
            // |R^T u - R'^T u'| = |u - R R'^T u'|: one rotation instead of two.
            let between = model.rotation * reference.rotation.transpose();
            let row = points.model.iter().zip(points.reference);
            row.map(|(x, y)| {
                let seen = (x - model.translation) - between * (y - reference.translation);
                (seen.norm_squared() + config.epsilon).sqrt().min(clamp)
            })
            .sum()
        })
        .collect();
    let sum: f64 = rows.iter().sum();
    Ok(sum / (config.scale * num_frames as f64 * num_points as f64))
}

impl Matched<'_, BackboneResidue> {
    /// [`fape`] of the backbone: the frame of every residue, and every CA.
    ///
    /// # Errors
    /// [`CompareError`]: as of [`fape`], and [`CompareError::Frame`] for a residue without a frame.
    pub fn fape(&self, config: FapeConfig) -> Result<f64, CompareError> {
        self.check()?;
        let frames = |of, residues: &[BackboneResidue]| -> Result<Vec<Frame>, CompareError> {
            let frame = |(index, residue)| {
                Frame::of_residue(residue).map_err(|source| CompareError::Frame {
                    of,
                    index,
                    source,
                })
            };
            residues.iter().enumerate().map(frame).collect()
        };
        let ca = |residues: &[BackboneResidue]| -> Vec<Vector3<f64>> {
            residues.iter().map(|residue| residue.ca).collect()
        };
        fape(
            Matched {
                model: &frames("model", self.model)?,
                reference: &frames("reference", self.reference)?,
            },
            Matched {
                model: &ca(self.model),
                reference: &ca(self.reference),
            },
            config,
        )
    }
}
