//! The periodic cell of a crystal, a slab or a wire.

use serde::{Deserialize, Serialize};

use crate::GraphError;
use crate::tree::norm2;

/// Smallest relative volume of a cell: a rhombic cell whose angle is about 1e-6 degrees has less.
const SMALLEST_RELATIVE_VOLUME: f64 = 1e-8;

/// Whether space repeats along a lattice vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Periodicity {
    /// Nothing beyond: the lattice vector is not looked at, and may be zero.
    Open,
    /// The content repeats at every integer multiple of the lattice vector.
    Periodic,
}

/// Three lattice vectors, one per row as in ASE and in CIF-derived files, of any shape
/// (triclinic), and which of them repeat.
///
/// Point `p` has images `p + n_0 a_0 + n_1 a_1 + n_2 a_2`, with integer `n_i` along the periodic
/// vectors and `n_i = 0` along the open ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "CellAsWritten", into = "CellAsWritten")]
pub struct Cell {
    vectors: [[f64; 3]; 3],
    periodicity: [Periodicity; 3],
    dual: [[f64; 3]; 3],
    volume: f64,
}

impl Cell {
    /// A cell with its own periodicity along each vector.
    ///
    /// # Errors
    /// [`GraphError::SingularCell`] when the periodic vectors are not finite, shorter than 1e-150,
    /// longer than 1e150 or so nearly dependent that the volume is below 1e-8 of a box's.
    pub fn new(vectors: [[f64; 3]; 3], periodicity: [Periodicity; 3]) -> Result<Self, GraphError> {
        let lengths = vectors.map(|vector| norm2(vector).sqrt());
        let mut unit: [Option<[f64; 3]>; 3] = std::array::from_fn(|axis| {
            (periodicity[axis] == Periodicity::Periodic)
                .then(|| vectors[axis].map(|x| x / lengths[axis]))
        });
        complete_with_normals(&mut unit);
        let [a, b, c] = unit.map(Option::unwrap_or_default);
        let usable =
            periodic_axes(periodicity).all(|axis| (1e-150..1e150).contains(&lengths[axis]));
        let determinant = dot(a, cross(b, c));
        let relative_volume = if usable && determinant.is_finite() {
            determinant.abs()
        } else {
            0.0
        };
        if relative_volume < SMALLEST_RELATIVE_VOLUME {
            let limit = SMALLEST_RELATIVE_VOLUME;
            return Err(GraphError::SingularCell {
                vectors,
                relative_volume,
                limit,
            });
        }
        let normals = [cross(b, c), cross(c, a), cross(a, b)];
        let dual = std::array::from_fn(|axis| match periodicity[axis] {
            Periodicity::Open => [0.0; 3],
            Periodicity::Periodic => normals[axis].map(|x| x / determinant / lengths[axis]),
        });
        let box_volume: f64 = periodic_axes(periodicity)
            .map(|axis| lengths[axis])
            .product();
        let volume = box_volume * relative_volume;
        Ok(Self {
            vectors,
            periodicity,
            dual,
            volume,
        })
    }

    /// A cell that repeats along all three vectors.
    ///
    /// # Errors
    /// As [`Cell::new`].
    pub fn periodic(vectors: [[f64; 3]; 3]) -> Result<Self, GraphError> {
        Self::new(vectors, [Periodicity::Periodic; 3])
    }

    /// The lattice vectors, one per row.
    #[must_use]
    pub fn vectors(&self) -> [[f64; 3]; 3] {
        self.vectors
    }

    /// Which of them repeat.
    #[must_use]
    pub fn periodicity(&self) -> [Periodicity; 3] {
        self.periodicity
    }

    /// The translation to an image: `n_0 a_0 + n_1 a_1 + n_2 a_2`, over the periodic vectors.
    #[must_use]
    pub fn shift(&self, image: [i32; 3]) -> [f64; 3] {
        self.translation(image.map(f64::from))
    }

    pub(crate) fn translation(&self, cells: [f64; 3]) -> [f64; 3] {
        self.periodic_axes().fold([0.0; 3], |sum, axis| {
            std::array::from_fn(|k| sum[k] + cells[axis] * self.vectors[axis][k])
        })
    }

    pub(crate) fn periodic_axes(&self) -> impl Iterator<Item = usize> {
        periodic_axes(self.periodicity)
    }

    /// Volume, area, length or 1: what the periodic vectors span.
    pub(crate) fn volume(&self) -> f64 {
        self.volume
    }

    /// Coordinates in units of the lattice vectors; 0 along open ones.
    pub(crate) fn fractions(&self, position: [f64; 3]) -> [f64; 3] {
        self.dual.map(|dual| dot(dual, position))
    }

    /// Distances between lattice planes; infinite for open vectors.
    pub(crate) fn plane_spacings(&self) -> [f64; 3] {
        self.dual.map(|dual| 1.0 / norm2(dual).sqrt())
    }

    pub(crate) fn lengths(&self) -> [f64; 3] {
        self.vectors.map(|vector| norm2(vector).sqrt())
    }
}

fn periodic_axes(periodicity: [Periodicity; 3]) -> impl Iterator<Item = usize> {
    (0..3).filter(move |&axis| periodicity[axis] == Periodicity::Periodic)
}

/// Fills the open directions with unit vectors at right angles to all others.
fn complete_with_normals(unit: &mut [Option<[f64; 3]>; 3]) {
    for axis in 0..3 {
        if unit[axis].is_some() {
            continue;
        }
        let known = [unit[(axis + 1) % 3], unit[(axis + 2) % 3]];
        unit[axis] = Some(match known {
            [Some(b), Some(c)] => normalized(cross(b, c)),
            [Some(v), None] | [None, Some(v)] => any_normal(v),
            [None, None] => [1.0, 0.0, 0.0],
        });
    }
}

/// A unit vector at right angles to `v`, by way of the axis `v` is least along.
fn any_normal(v: [f64; 3]) -> [f64; 3] {
    let least = (1..3).fold(
        0,
        |best, k| if v[k].abs() < v[best].abs() { k } else { best },
    );
    let mut axis = [0.0; 3];
    axis[least] = 1.0;
    normalized(cross(v, axis))
}

fn normalized(v: [f64; 3]) -> [f64; 3] {
    let length = norm2(v).sqrt();
    v.map(|x| x / length)
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|k| {
        let (i, j) = ((k + 1) % 3, (k + 2) % 3);
        a[i] * b[j] - a[j] * b[i]
    })
}

/// What is written to files: no derived quantity.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct CellAsWritten {
    vectors: [[f64; 3]; 3],
    periodicity: [Periodicity; 3],
}

impl From<Cell> for CellAsWritten {
    fn from(cell: Cell) -> Self {
        Self {
            vectors: cell.vectors,
            periodicity: cell.periodicity,
        }
    }
}

impl TryFrom<CellAsWritten> for Cell {
    type Error = GraphError;

    fn try_from(cell: CellAsWritten) -> Result<Self, GraphError> {
        Self::new(cell.vectors, cell.periodicity)
    }
}
