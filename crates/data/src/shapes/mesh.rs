//! Triangles, and points on them.

use rand::{Rng, RngExt};
use thiserror::Error;

/// A surface of triangles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// `[vertices, 3]`
    pub vertices: Vec<[f64; 3]>,
    /// Indices of vertices, `[triangles, 3]`.
    pub triangles: Vec<[u32; 3]>,
}

/// A mesh has no area, or one that is not finite.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{triangles} triangles of area {area} have no surface to take points from")]
pub struct NoSurface {
    /// Its triangles.
    pub triangles: usize,
    /// Their area.
    pub area: f64,
}

impl Mesh {
    /// Points drawn independently and uniformly by area.
    ///
    /// # Shapes
    /// `[count, 3]`
    ///
    /// # Errors
    /// [`NoSurface`]
    ///
    /// # Panics
    /// If a triangle names a vertex that is not there.
    pub fn sample<R: Rng + ?Sized>(
        &self,
        count: usize,
        rng: &mut R,
    ) -> Result<Vec<[f64; 3]>, NoSurface> {
        let mut area = 0.0;
        let sums = self.triangles.iter().map(|&triangle| {
            area += self.area(triangle);
            area
        });
        let sums: Vec<f64> = sums.collect();
        if !(area > 0.0 && area.is_finite()) {
            let triangles = self.triangles.len();
            return Err(NoSurface { triangles, area });
        }
        let mut point = || {
            let at = rng.random::<f64>() * area;
            // Of triangles without area the sums are equal, and the first is taken: it has some.
            let triangle = sums.partition_point(|&sum| sum <= at).min(sums.len() - 1);
            let [a, b, c] = self.corners(self.triangles[triangle]);
            let (mut u, mut v) = (rng.random::<f64>(), rng.random::<f64>());
            if u + v > 1.0 {
                (u, v) = (1.0 - u, 1.0 - v);
            }
            std::array::from_fn(|k| a[k] + u * (b[k] - a[k]) + v * (c[k] - a[k]))
        };
        Ok((0..count).map(|_| point()).collect())
    }

    fn corners(&self, triangle: [u32; 3]) -> [[f64; 3]; 3] {
        triangle.map(|vertex| self.vertices[vertex as usize])
    }

    fn area(&self, triangle: [u32; 3]) -> f64 {
        let [a, b, c] = self.corners(triangle);
        let edge = |end: [f64; 3]| -> [f64; 3] { std::array::from_fn(|k| end[k] - a[k]) };
        let (u, v) = (edge(b), edge(c));
        let normal: [f64; 3] = std::array::from_fn(|k| {
            let (i, j) = ((k + 1) % 3, (k + 2) % 3);
            u[i] * v[j] - u[j] * v[i]
        });
        0.5 * normal.iter().map(|x| x * x).sum::<f64>().sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn points_lie_on_triangles_in_proportion_to_their_area() {
        // Areas 0, 1/2 and 3/2, the last at z = 1.
        let mesh = Mesh {
            vertices: vec![
                [0.0; 3],
                [1.0, 0.0, 0.0],
                [0.0, 1.0, 0.0],
                [0.0, 0.0, 1.0],
                [3.0, 0.0, 1.0],
                [0.0, 1.0, 1.0],
            ],
            triangles: vec![[0, 1, 1], [0, 1, 2], [3, 4, 5]],
        };
        let mut rng = StdRng::seed_from_u64(1);
        let points = mesh.sample(40_000, &mut rng).unwrap();
        let upper = points.iter().filter(|point| point[2] == 1.0).count() as f64;
        // Five standard deviations of the binomial distribution.
        let deviation = (40_000.0 * 0.75 * 0.25_f64).sqrt();
        assert!((upper - 30_000.0).abs() < 5.0 * deviation, "{upper}");
        let mut mean = 0.0;
        for [x, y, z] in points {
            let scale = if z == 1.0 { 3.0 } else { 1.0 };
            assert!(x >= 0.0 && y >= 0.0 && x / scale + y <= 1.0 + 1e-12);
            mean += y / 40_000.0;
        }
        // Of a triangle the mean height is a third; its standard deviation is 1/sqrt(18).
        assert!((mean - 1.0 / 3.0).abs() < 5.0 / (18.0 * 40_000.0_f64).sqrt());
    }

    #[test]
    fn a_mesh_without_area_has_no_points() {
        let mut rng = StdRng::seed_from_u64(1);
        assert!(Mesh::default().sample(1, &mut rng).is_err());
    }
}
