//! Torsions in bins, and a torsion from the probabilities of bins.

use std::f64::consts::{PI, TAU};

/// Bins of one width around the circle, the first from -pi on. Their number is even, so that half a turn
/// leads from bin to bin.
///
/// ```
/// use std::f64::consts::PI;
/// use steerable_protein::structure::TorsionBins;
///
/// let bins = TorsionBins::new(4);
/// assert_eq!([-PI, -1.0, 1.0, 3.0, PI].map(|angle| bins.bin(angle)), [0, 1, 2, 3, 0]);
/// assert!((bins.centre(3) - 0.75 * PI).abs() < 1e-12);
/// assert_eq!(bins.half_turn(3), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TorsionBins {
    count: usize,
}

/// A torsion that is known by probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpectedTorsion {
    /// The mean direction within the most probable window, in radians, in -pi..=pi.
    pub angle: f64,
    /// The probability of that window, in 0..=1.
    pub probability: f64,
}

/// A window reaches this far to either side of the middle of a bin: it holds one rotamer and no two.
const REACH: f64 = 40.0 * PI / 180.0;

impl TorsionBins {
    /// So many bins.
    ///
    /// # Panics
    /// When the number is odd or zero.
    pub fn new(count: usize) -> Self {
        assert!(
            count > 0 && count.is_multiple_of(2),
            "TorsionBins: an even number of bins, not {count}"
        );
        Self { count }
    }

    /// The number of bins.
    #[expect(clippy::len_without_is_empty, reason = "there are always bins")]
    pub fn len(&self) -> usize {
        self.count
    }

    fn width(&self) -> f64 {
        TAU / self.count as f64
    }

    /// The bin of an angle in radians.
    pub fn bin(&self, angle: f64) -> usize {
        let turns = (angle + PI).rem_euclid(TAU) / self.width();
        (turns as usize).min(self.count - 1)
    }

    /// The middle of a bin, in radians, in -pi..pi.
    pub fn centre(&self, bin: usize) -> f64 {
        (bin as f64 + 0.5) * self.width() - PI
    }

    /// The bin half a turn away.
    pub fn half_turn(&self, bin: usize) -> usize {
        (bin + self.count / 2) % self.count
    }

    /// The most probable torsion: of the windows of 40 degrees around the middle of each bin the one with
    /// the largest probability, and the mean direction in it. Unlike the mean over the circle it lies in
    /// a rotamer, not between two. `probabilities` sum to one.
    ///
    /// # Panics
    /// When there are not as many probabilities as bins.
    pub fn most_probable(&self, probabilities: &[f64]) -> ExpectedTorsion {
        assert_eq!(
            probabilities.len(),
            self.count,
            "TorsionBins: a probability for each bin"
        );
        let reach = ((REACH / self.width() + 1e-9) as usize).min((self.count - 1) / 2);
        let window = |bin: usize| {
            let first = bin + self.count - reach;
            (0..=2 * reach).map(move |step| (first + step) % self.count)
        };
        let mass = |bin: usize| window(bin).map(|b| probabilities[b]).sum::<f64>();
        let mut best = (0, mass(0));
        for bin in 1..self.count {
            let mass = mass(bin);
            if mass > best.1 {
                best = (bin, mass);
            }
        }
        let (mut sine, mut cosine) = (0.0, 0.0);
        for bin in window(best.0) {
            let (s, c) = self.centre(bin).sin_cos();
            sine += probabilities[bin] * s;
            cosine += probabilities[bin] * c;
        }
        ExpectedTorsion {
            angle: sine.atan2(cosine),
            probability: best.1,
        }
    }

    /// [`most_probable`](Self::most_probable) of a torsion that half a turn leaves as it is: bins half a
    /// turn apart count together. The angle is one of the two.
    ///
    /// # Panics
    /// When there are not as many probabilities as bins.
    pub fn most_probable_of_symmetric(&self, probabilities: &[f64]) -> ExpectedTorsion {
        let folded =
            (0..self.count).map(|bin| probabilities[bin] + probabilities[self.half_turn(bin)]);
        self.most_probable(&folded.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probabilities of angles in degrees, one bin each of 36.
    fn at(angles: &[(f64, f64)]) -> Vec<f64> {
        let bins = TorsionBins::new(36);
        let mut probabilities = vec![0.0; 36];
        for (degrees, probability) in angles {
            probabilities[bins.bin(degrees.to_radians())] += probability;
        }
        probabilities
    }

    #[test]
    fn every_angle_lies_in_the_bin_around_its_centre() {
        let bins = TorsionBins::new(36);
        for step in -1000..1000 {
            let angle = f64::from(step) * 0.01;
            let off = (angle - bins.centre(bins.bin(angle))).rem_euclid(TAU);
            assert!(off.min(TAU - off) <= PI / 36.0 + 1e-12, "{angle}");
        }
    }

    #[test]
    fn the_larger_rotamer_counts_and_not_the_mean_of_two() {
        let bins = TorsionBins::new(36);
        // Around 60 and 180 degrees: the mean of both directions is near 120, where there is nothing.
        let two = at(&[(55.0, 0.25), (65.0, 0.2), (175.0, 0.3), (-175.0, 0.25)]);
        let found = bins.most_probable(&two);
        let from_180 = (found.angle.abs() - PI).abs();
        assert!(from_180 < 1f64.to_radians(), "{}", found.angle.to_degrees());
        assert!((found.probability - 0.55).abs() < 1e-12);
    }

    #[test]
    fn a_broad_rotamer_beats_a_high_bin() {
        let bins = TorsionBins::new(36);
        let found = bins.most_probable(&at(&[
            (-75.0, 0.2),
            (-65.0, 0.2),
            (-55.0, 0.2),
            (65.0, 0.4),
        ]));
        assert!((found.angle - (-65f64).to_radians()).abs() < 1e-9);
        assert!((found.probability - 0.6).abs() < 1e-12);
    }

    #[test]
    fn wide_bins_stand_alone() {
        let found = TorsionBins::new(6).most_probable_of_symmetric(&[0.0, 0.0, 0.9, 0.0, 0.1, 0.0]);
        let off = (found.angle - TorsionBins::new(6).centre(2)).rem_euclid(PI);
        assert!(off.min(PI - off) < 1e-9, "{}", found.angle.to_degrees());
        assert!((found.probability - 0.9).abs() < 1e-12);
    }

    #[test]
    fn bins_half_a_turn_apart_are_one_for_a_symmetric_torsion() {
        let bins = TorsionBins::new(36);
        let probabilities = at(&[(85.0, 0.3), (-95.0, 0.3), (-5.0, 0.4)]);
        let plain = bins.most_probable(&probabilities);
        assert!((plain.angle + 5f64.to_radians()).abs() < 1e-9);
        let found = bins.most_probable_of_symmetric(&probabilities);
        let off = (found.angle - 85f64.to_radians()).rem_euclid(PI);
        assert!(off.min(PI - off) < 1e-9, "{}", found.angle.to_degrees());
        assert!((found.probability - 0.6).abs() < 1e-12);
    }
}
