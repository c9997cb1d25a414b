//! Global distance test: how many residues can be brought within some distances.

use super::search::{Cutoffs, search};
use crate::{CompareError, Matched};

/// The largest fractions of residues within 0.5, 1, 2, 4 and 8 angstrom of the reference, each under
/// a superposition of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gdt {
    /// Fractions in 0..=1, in the order of [`Gdt::DISTANCES`].
    pub within: [f64; 5],
}

impl Gdt {
    /// The distances, in angstrom.
    pub const DISTANCES: [f64; 5] = [0.5, 1.0, 2.0, 4.0, 8.0];

    /// GDT-TS (total score): the mean for 1, 2, 4 and 8 angstrom, in 0..=1.
    pub fn total_score(&self) -> f64 {
        self.within[1..].iter().sum::<f64>() / 4.0
    }

    /// GDT-HA (high accuracy): the mean for 0.5, 1, 2 and 4 angstrom, in 0..=1.
    pub fn high_accuracy(&self) -> f64 {
        self.within[..4].iter().sum::<f64>() / 4.0
    }
}

impl Matched<'_> {
    /// The global distance test over the matched residues.
    ///
    /// For each distance, fragments are superposed and then again and again the residues within that
    /// distance, as for [`tm_score`](Self::tm_score); the fractions are the largest found, not proved
    /// to be the largest. O(L^2), on all threads.
    ///
    /// # Errors
    /// [`CompareError`]: unequal lengths, no residues, coordinates that are not finite.
    ///
    /// # Source
    /// Zemla 2003, "LGA: a method for finding 3D similarities in protein structures".
    pub fn gdt(&self) -> Result<Gdt, CompareError> {
        let len = self.check()?;
        let within = Gdt::DISTANCES.map(|distance| {
            let cutoffs = Cutoffs {
                first: distance,
                later: distance,
            };
            let best = search(self, cutoffs, |square| {
                f64::from(u8::from(square <= distance * distance))
            });
            best.score / len as f64
        });
        Ok(Gdt { within })
    }
}
