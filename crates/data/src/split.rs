//! Parts of a data set, drawn by a seed.

use thiserror::Error;

/// How many items each part has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SplitSizes {
    /// To fit parameters.
    pub train: usize,
    /// To choose among fits.
    pub validation: usize,
    /// To report.
    pub test: usize,
}

impl SplitSizes {
    /// QM9's usual one: 100,000 to train, a tenth of the 130,831 to test, and the rest to validate.
    pub const QM9: Self = Self {
        train: 100_000,
        validation: 17_748,
        test: 13_083,
    };

    /// Parts of the same proportions of fewer items, each rounded down.
    #[must_use]
    pub fn scaled_to(self, items: usize) -> Self {
        let all = [self.train, self.validation, self.test];
        let all = all.map(|part| part as u128);
        let sum = all.iter().sum::<u128>().max(1);
        let scaled = all.map(|part| (part * items as u128 / sum) as usize);
        let [train, validation, test] = scaled;
        Self {
            train,
            validation,
            test,
        }
    }
}

/// Indices of the items of each part; no item is in two.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Split {
    /// To fit parameters.
    pub train: Vec<usize>,
    /// To choose among fits.
    pub validation: Vec<usize>,
    /// To report.
    pub test: Vec<usize>,
}

/// More items are asked for than there are.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error(
    "{} to train on, {} to validate and {} to test are more than the {items} items that there are",
    sizes.train, sizes.validation, sizes.test
)]
pub struct SplitError {
    /// What was asked for.
    pub sizes: SplitSizes,
    /// The items that there are.
    pub items: usize,
}

impl Split {
    /// Draws the parts: they follow each other in [`shuffled`] items.
    ///
    /// # Errors
    /// [`SplitError`] if there are too few items.
    pub fn by_seed(items: usize, sizes: SplitSizes, seed: u64) -> Result<Self, SplitError> {
        let parts = [sizes.train, sizes.validation, sizes.test];
        let wanted = parts
            .iter()
            .try_fold(0usize, |sum, &part| sum.checked_add(part));
        if wanted.is_none_or(|wanted| wanted > items) {
            return Err(SplitError { sizes, items });
        }
        let order = shuffled(items, seed);
        let (train, rest) = order.split_at(sizes.train);
        let (validation, rest) = rest.split_at(sizes.validation);
        Ok(Self {
            train: train.to_vec(),
            validation: validation.to_vec(),
            test: rest[..sizes.test].to_vec(),
        })
    }
}

/// The indices `0..items` in an order that the seed decides, for parts and for the epochs of a training.
///
/// The same numbers give the same order on every machine and in every release: it is that of a fixed hash
/// of seed and index, not of a library's generator.
#[must_use]
pub fn shuffled(items: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..items).collect();
    let stream = scatter(seed);
    // A bijection gives no two indices one key.
    order.sort_by_cached_key(|&index| scatter(stream ^ index as u64));
    order
}

/// A seed of its own for each part of what a seed decides: the epochs of a training, the shapes of a folder. Other than
/// their sums, those of neighbouring seeds have nothing to do with each other.
#[must_use]
pub fn seed_of_part(seed: u64, part: u64) -> u64 {
    scatter(scatter(seed) ^ part)
}

/// A bijection that scatters neighbouring numbers (the finalizer of SplitMix64).
pub(crate) fn scatter(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: SplitSizes = SplitSizes {
        train: 5,
        validation: 3,
        test: 2,
    };

    #[test]
    fn parts_are_disjoint_and_of_their_sizes() {
        let split = Split::by_seed(10, SIZES, 7).unwrap();
        assert_eq!((split.train.len(), split.validation.len()), (5, 3));
        let mut all = [split.train, split.validation, split.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn the_seed_alone_decides() {
        let split = |seed| Split::by_seed(1000, SIZES, seed).unwrap();
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
    }

    #[test]
    fn neighbouring_seeds_share_no_part() {
        let seeds = |seed| {
            (0..50)
                .map(|part| seed_of_part(seed, part))
                .collect::<Vec<_>>()
        };
        let mut all = [seeds(1), seeds(2), seeds(3)].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 150);
    }

    #[test]
    fn too_few_items_are_refused() {
        let error = Split::by_seed(9, SIZES, 0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "5 to train on, 3 to validate and 2 to test are more than the 9 items that there are"
        );
        let sizes = SplitSizes {
            train: usize::MAX,
            ..SIZES
        };
        assert!(Split::by_seed(9, sizes, 0).is_err());
    }

    #[test]
    fn the_usual_split_of_qm9_uses_every_molecule() {
        let SplitSizes {
            train,
            validation,
            test,
        } = SplitSizes::QM9;
        assert_eq!(train + validation + test, 130_831);
        let small = SplitSizes::QM9.scaled_to(13_083);
        assert_eq!(
            (small.train, small.validation, small.test),
            (9_999, 1_774, 1_308)
        );
    }
}
