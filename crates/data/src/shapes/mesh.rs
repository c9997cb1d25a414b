//! Triangles, and points on them.

use rand::{Rng, RngExt};
use thiserror::Error;

/// A surface of triangles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// `[vertices, 3]`
    pub vertices: Vec<[f64; 3]>,
    /// Indices of vertices, `[triangles, 3]`; none for a cloud of points.
    pub triangles: Vec<[u32; 3]>,
    /// Directions of the surface at the vertices as the file has them, `[vertices, 3]`.
    pub normals: Option<Vec<[f64; 3]>>,
}

/// Points on a surface.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SurfacePoints {
    /// `[points, 3]`
    pub points: Vec<[f64; 3]>,
    /// At a right angle to the triangle of each point, of length 1, on the side from which its corners go
    /// round against the clock, `[points, 3]`.
    pub normals: Vec<[f64; 3]>,
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
    /// Points drawn independently and uniformly by area, with the normals of their triangles.
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
    ) -> Result<SurfacePoints, NoSurface> {
        let mut area = 0.0;
        let sums = self.triangles.iter().map(|&triangle| {
            area += norm(self.area_vector(triangle));
            area
        });
        let sums: Vec<f64> = sums.collect();
        if !(area > 0.0 && area.is_finite()) {
            let triangles = self.triangles.len();
            return Err(NoSurface { triangles, area });
        }
        // The last triangle with an area.
        let last = sums.partition_point(|&sum| sum < area);
        let mut point = || {
            let at = rng.random::<f64>() * area;
            // Of triangles without area the sums are equal, and the first is taken: it has some.
            let triangle = sums.partition_point(|&sum| sum <= at).min(last);
            let [a, b, c] = self.corners(self.triangles[triangle]);
            let (mut u, mut v) = (rng.random::<f64>(), rng.random::<f64>());
            if u + v > 1.0 {
                (u, v) = (1.0 - u, 1.0 - v);
            }
            let normal = self.area_vector(self.triangles[triangle]);
            let length = norm(normal);
            (
                std::array::from_fn(|k| a[k] + u * (b[k] - a[k]) + v * (c[k] - a[k])),
                normal.map(|x| x / length),
            )
        };
        let (points, normals) = (0..count).map(|_| point()).unzip();
        Ok(SurfacePoints { points, normals })
    }

    fn corners(&self, triangle: [u32; 3]) -> [[f64; 3]; 3] {
        triangle.map(|vertex| self.vertices[vertex as usize])
    }

    /// Half the cross product of two edges: as long as the area is large.
    fn area_vector(&self, triangle: [u32; 3]) -> [f64; 3] {
        let [a, b, c] = self.corners(triangle);
        let edge = |end: [f64; 3]| -> [f64; 3] { std::array::from_fn(|k| end[k] - a[k]) };
        let (u, v) = (edge(b), edge(c));
        std::array::from_fn(|k| {
            let (i, j) = ((k + 1) % 3, (k + 2) % 3);
            0.5 * (u[i] * v[j] - u[j] * v[i])
        })
    }
}

fn norm([x, y, z]: [f64; 3]) -> f64 {
    (x * x + y * y + z * z).sqrt()
}

/// Cuts a face into triangles that share its first corner.
pub(super) fn add_fan(corners: &[u32], triangles: &mut Vec<[u32; 3]>) {
    if let Some((&first, rest)) = corners.split_first() {
        triangles.extend(rest.windows(2).map(|pair| [first, pair[0], pair[1]]));
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
            triangles: vec![[0, 1, 1], [0, 1, 2], [3, 5, 4]],
            normals: None,
        };
        let mut rng = StdRng::seed_from_u64(1);
        let SurfacePoints { points, normals } = mesh.sample(40_000, &mut rng).unwrap();
        for (point, normal) in points.iter().zip(normals) {
            let side = if point[2] == 1.0 { -1.0 } else { 1.0 };
            assert_eq!(normal, [0.0, 0.0, side]);
        }
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
