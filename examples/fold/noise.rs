//! Where a refinement starts: frames shifted and turned at random.

use nalgebra::Vector3;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use steerable::irreps::Rotation;
use steerable_protein::Frame;

/// How far a frame turns for each angstrom of noise.
const DEGREES_PER_ANGSTROM: f64 = 20.0;

/// Every frame by itself: its origin moves by a normal displacement of root mean square `angstrom`, and
/// it turns about a random axis by a normal angle of 20 degrees for each angstrom.
pub fn perturb(frames: &[Frame], angstrom: f64, rng: &mut impl Rng) -> Vec<Frame> {
    let spread = angstrom / 3.0_f64.sqrt();
    let angle = (DEGREES_PER_ANGSTROM * angstrom).to_radians();
    frames
        .iter()
        .map(|frame| {
            let turn = loop {
                // An axis of length zero is drawn never, or once more.
                let axis = normal(rng).into();
                let by = angle * rng.sample::<f64, _>(StandardNormal);
                if let Ok(turn) = Rotation::from_axis_angle(axis, by) {
                    break turn;
                }
            };
            Frame {
                rotation: frame.rotation * turn.matrix(),
                translation: frame.translation + normal(rng) * spread,
            }
        })
        .collect()
}

fn normal(rng: &mut impl Rng) -> Vector3<f64> {
    Vector3::from_fn(|_, _| rng.sample(StandardNormal))
}
