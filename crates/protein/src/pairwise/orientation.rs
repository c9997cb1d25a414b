//! How two residues are turned to one another.

use nalgebra::Vector3;
use rayon::prelude::*;

use crate::torsions::torsion_cosine_and_sine;
use crate::{BackboneResidue, DegenerateFrame, Frame};

/// A residue with the atom that says where its side chain points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrientedResidue {
    /// N, CA and C.
    pub backbone: BackboneResidue,
    /// The first carbon of the side chain, in angstrom.
    pub cb: Vector3<f64>,
}

impl OrientedResidue {
    /// A residue without CB (glycine, or a backbone alone), with CB where
    /// [`BackboneResidue::ideal_cb`] has it.
    ///
    /// # Errors
    /// [`DegenerateFrame`] if the residue has no frame.
    pub fn with_ideal_cb(backbone: BackboneResidue) -> Result<Self, DegenerateFrame> {
        let cb = backbone.ideal_cb()?;
        Ok(Self { backbone, cb })
    }
}

/// The angles between two residues, in radians.
///
/// # Source
/// Yang et al. 2020, "Improved protein structure prediction using predicted interresidue
/// orientations" (trRosetta).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairOrientation {
    /// The torsion CA, CB, CB', CA', in -pi..=pi: the same from both residues.
    pub omega: f64,
    /// The torsion N, CA, CB, CB' of the first residue, in -pi..=pi.
    pub theta: f64,
    /// The angle at CB between CA and CB' of the first residue, in 0..=pi.
    pub phi: f64,
}

impl PairOrientation {
    /// How `to` lies as seen from `from`; `None` where an angle is undefined, as between a residue and
    /// itself.
    pub fn between(from: &OrientedResidue, to: &OrientedResidue) -> Option<Self> {
        let angle = |(cos, sin): (f64, f64)| sin.atan2(cos);
        let BackboneResidue { n, ca, .. } = from.backbone;
        let (u, v) = (ca - from.cb, to.cb - from.cb);
        Some(Self {
            omega: angle(torsion_cosine_and_sine(&[
                ca,
                from.cb,
                to.cb,
                to.backbone.ca,
            ])?),
            theta: angle(torsion_cosine_and_sine(&[n, ca, from.cb, to.cb])?),
            phi: u.cross(&v).norm().atan2(u.dot(&v)),
        })
    }

    /// [`between`](Self::between) all residues: `[L, L]`, row i from residue i, `None` on the diagonal.
    ///
    /// O(L^2) in time and memory, on all threads.
    pub fn of_all(residues: &[OrientedResidue]) -> Vec<Vec<Option<Self>>> {
        residues
            .par_iter()
            .map(|from| residues.iter().map(|to| Self::between(from, to)).collect())
            .collect()
    }
}

/// The frame of residue j in the coordinates of residue i, `T_i^-1 T_j`: `[L, L]`, row i from residue
/// i, the identity on the diagonal. Does not change when the chain moves.
///
/// O(L^2) in time and memory, on all threads.
pub fn relative_frames(frames: &[Frame]) -> Vec<Vec<Frame>> {
    frames
        .par_iter()
        .map(|from| {
            let inverse = from.inverse();
            frames.iter().map(|to| inverse.compose(to)).collect()
        })
        .collect()
}
