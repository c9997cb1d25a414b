//! Directions of a surface at points of a cloud.

use nalgebra::{Matrix3, SymmetricEigen, Vector3};
use steerable_graph::{Graph, GraphError};

/// The direction of least spread of the `neighbours` nearest points and the point itself, of length 1: the normal
/// of the plane that fits them best, turned away from the mean of the cloud.
///
/// A rotated cloud has the normals rotated, but for rounding. Where no direction is the least, as for points on a
/// line, and where a normal is at a right angle to the direction from the mean, the choice is arbitrary.
///
/// # Shapes
/// `[points, 3]`
///
/// # Errors
/// [`GraphError`] if a point is not finite or there are no neighbours.
///
/// # Source
/// H. Hoppe et al., "Surface reconstruction from unorganized points", SIGGRAPH 1992.
pub fn estimated_normals(
    points: &[[f64; 3]],
    neighbours: usize,
) -> Result<Vec<[f64; 3]>, GraphError> {
    let graph = Graph::knn(points, neighbours)?;
    let count = points.len().max(1) as f64;
    let mean = points
        .iter()
        .map(|&point| Vector3::from(point))
        .sum::<Vector3<f64>>()
        / count;
    let normal = |index: usize| {
        let here = Vector3::from(points[index]);
        let sources = &graph.src()[graph.incoming(index)];
        let offsets = sources
            .iter()
            .map(|&src| Vector3::from(points[src as usize]) - here);
        let offsets: Vec<_> = offsets.chain([Vector3::zeros()]).collect();
        let centre = offsets.iter().sum::<Vector3<f64>>() / offsets.len() as f64;
        let spread: Matrix3<f64> = offsets
            .iter()
            .map(|offset| (offset - centre) * (offset - centre).transpose())
            .sum();
        let eigen = SymmetricEigen::new(spread);
        let normal = eigen
            .eigenvectors
            .column(eigen.eigenvalues.imin())
            .into_owned();
        let outward = if normal.dot(&(here - mean)) < 0.0 {
            -normal
        } else {
            normal
        };
        outward.into()
    };
    Ok((0..points.len()).map(normal).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_of_a_sphere_point_outward_along_its_radii() {
        // A Fibonacci lattice on a sphere about (1, 2, 3).
        let golden = 0.5 * (1.0 + 5.0_f64.sqrt());
        let directions: Vec<[f64; 3]> = (0..2000)
            .map(|i| {
                let z = 1.0 - (2.0 * f64::from(i) + 1.0) / 2000.0;
                let angle = std::f64::consts::TAU * f64::from(i) / golden;
                let radius = (1.0 - z * z).sqrt();
                [radius * angle.cos(), radius * angle.sin(), z]
            })
            .collect();
        let points: Vec<_> = directions
            .iter()
            .map(|[x, y, z]| [x + 1.0, y + 2.0, z + 3.0])
            .collect();
        for (normal, direction) in estimated_normals(&points, 8)
            .unwrap()
            .iter()
            .zip(&directions)
        {
            let cosine: f64 = (0..3).map(|k| normal[k] * direction[k]).sum();
            // Neighbours are about 0.08 away; the plane through them tilts by less than that.
            assert!(cosine > 1.0 - 0.08_f64.powi(2), "{cosine}");
        }
    }

    #[test]
    fn few_and_coincident_points_have_normals_of_length_one() {
        for points in [
            vec![[1.0; 3]],
            vec![[1.0; 3]; 5],
            vec![[0.0; 3], [1.0, 0.0, 0.0]],
        ] {
            for [x, y, z] in estimated_normals(&points, 3).unwrap() {
                assert!((x * x + y * y + z * z - 1.0).abs() < 1e-12);
            }
        }
        assert!(estimated_normals(&[[f64::NAN; 3]], 3).is_err());
        assert!(estimated_normals(&[], 3).unwrap().is_empty());
    }
}
