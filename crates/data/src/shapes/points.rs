//! Points chosen from a cloud, and where it stands.

use thiserror::Error;

/// More points are asked for than there are.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{wanted} points wanted, {points} are there")]
pub struct TooFewPoints {
    /// What was asked for.
    pub wanted: usize,
    /// The points that there are.
    pub points: usize,
}

/// Indices of points far from each other: the first, and then always the one whose distance to those
/// chosen is greatest, of several the first. Costs `count` times the number of points.
///
/// # Errors
/// [`TooFewPoints`]
///
/// # Source
/// Y. Eldar et al., "The farthest point strategy for progressive image sampling", IEEE Trans. Image
/// Process. 6, 1305 (1997).
pub fn farthest_points(points: &[[f64; 3]], count: usize) -> Result<Vec<usize>, TooFewPoints> {
    if count > points.len() {
        return Err(TooFewPoints {
            wanted: count,
            points: points.len(),
        });
    }
    let mut chosen = Vec::with_capacity(count);
    // Squares of distances to the nearest chosen point; those chosen are below all others.
    let mut squares = vec![f64::INFINITY; points.len()];
    let mut next = 0;
    while chosen.len() < count {
        chosen.push(next);
        squares[next] = f64::NEG_INFINITY;
        let here = points[next];
        let mut largest = f64::NEG_INFINITY;
        for (index, (square, point)) in squares.iter_mut().zip(points).enumerate() {
            let [x, y, z]: [f64; 3] = std::array::from_fn(|k| point[k] - here[k]);
            *square = square.min(x * x + y * y + z * z);
            if *square > largest {
                largest = *square;
                next = index;
            }
        }
    }
    Ok(chosen)
}

/// The cloud moved and scaled so that its mean is the origin and its farthest point has the distance 1;
/// only moved if all points coincide.
#[must_use]
pub fn normalized(points: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let count = points.len().max(1) as f64;
    let mean: [f64; 3] =
        std::array::from_fn(|k| points.iter().map(|point| point[k]).sum::<f64>() / count);
    let centred = points
        .iter()
        .map(|point| std::array::from_fn(|k| point[k] - mean[k]));
    let mut centred: Vec<[f64; 3]> = centred.collect();
    let largest = centred
        .iter()
        .flatten()
        .fold(0.0, |m: f64, x| m.max(x.abs()));
    // Squares of what is at most 1 are neither too large nor all too small.
    let norms = centred.iter().map(|point| {
        let [x, y, z] = point.map(|x| x / largest);
        (x * x + y * y + z * z).sqrt()
    });
    let radius = largest * norms.fold(0.0, f64::max);
    if radius > 0.0 {
        for point in &mut centred {
            *point = point.map(|x| x / radius);
        }
    }
    centred
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn farthest_points_are_far_and_ties_go_to_the_first() {
        let points = [0.0, 1.0, 4.0, -4.0, 2.0].map(|x| [x, 0.0, 0.0]);
        assert_eq!(farthest_points(&points, 5), Ok(vec![0, 2, 3, 4, 1]));
        let same = [[1.0; 3]; 3];
        assert_eq!(farthest_points(&same, 3), Ok(vec![0, 1, 2]));
        assert!(farthest_points(&same, 4).is_err());
        assert_eq!(farthest_points(&[], 0), Ok(vec![]));
    }

    #[test]
    fn a_normalized_cloud_has_mean_zero_and_radius_one() {
        let cloud = normalized(&[[1.0, 0.0, 0.0], [3.0, 0.0, 0.0], [2.0, 3.0, 0.0]]);
        for k in 0..3 {
            assert!(cloud.iter().map(|point| point[k]).sum::<f64>().abs() < 1e-15);
        }
        let norms = cloud.iter().map(|p| (p[0] * p[0] + p[1] * p[1]).sqrt());
        assert!((norms.fold(0.0, f64::max) - 1.0_f64).abs() < 1e-15);
        assert_eq!(normalized(&[[5.0; 3]; 2]), [[0.0; 3]; 2]);
        for scale in [1e-200, 1e200] {
            let cloud = normalized(&[[0.0; 3], [2.0 * scale, 0.0, 0.0]]);
            assert_eq!(cloud, [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]);
        }
        assert!(normalized(&[]).is_empty());
    }
}
