//! The formats of meshes and of points in plain text.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Mesh, obj, off, ply, xyz};
use crate::ReadError;
use crate::lines::Lines;

/// A format of meshes or of points. All but PLY may be gzipped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MeshFormat {
    /// OFF, the format of ModelNet; faces of more than three corners are cut into a fan of triangles.
    ///
    /// Files whose counts follow `OFF` in the same line, even without a blank, are read: some of ModelNet are
    /// such. Colours behind a face are passed over; other kinds of OFF (`COFF`, `NOFF`) are refused.
    /// Source: the Princeton Shape Benchmark's description of the format.
    Off,
    /// PLY, in text or in binary of both orders: a mesh, or points where there are no faces.
    ///
    /// Of an element `vertex` the properties `x`, `y`, `z` and, if all are there, `nx`, `ny`, `nz` are read, of an
    /// element `face` the list `vertex_indices` or `vertex_index`; faces of more than three corners are cut into a
    /// fan of triangles. All else is passed over.
    Ply,
    /// OBJ: vertices (`v`) and faces (`f`), those of more than three corners cut into a fan of triangles. All else is
    /// passed over: normals and textures, which belong to corners, groups, materials, lines and points.
    ///
    /// Read here and not by the crate `tobj` (4.0.5), whose errors do not tell the line, and which takes infinite
    /// coordinates.
    /// Source: "Object Files (.obj)", Wavefront's Advanced Visualizer Manual, appendix B1.
    Obj,
    /// Points in text: a line `x y z` or `x y z nx ny nz` for each, numbers separated by blanks or commas, all lines
    /// alike. Blank lines and comments behind `#` are passed over. The mesh has no triangles.
    Points,
}

impl MeshFormat {
    /// By the extension of a file's name: `off`, `ply`, `obj`, and `xyz`, `txt` or `pts` for points, also before `.gz`;
    /// `None` of others.
    #[must_use]
    pub fn of(path: impl AsRef<Path>) -> Option<Self> {
        match extension(path.as_ref()).as_str() {
            "off" => Some(Self::Off),
            "ply" => Some(Self::Ply),
            "obj" => Some(Self::Obj),
            "xyz" | "txt" | "pts" => Some(Self::Points),
            _ => None,
        }
    }

    /// The mesh of a file.
    ///
    /// # Errors
    /// [`ReadError`] if it cannot be opened, or does not hold what it should: with the line, in binary the number of
    /// the element.
    pub fn read(self, path: impl AsRef<Path>) -> Result<Mesh, ReadError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(ReadError::io(path))?;
        self.read_source(file, path)
    }

    /// The mesh of any source of a file's bytes; the path serves to name it in errors.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_source(
        self,
        source: impl Read + Send + 'static,
        path: impl AsRef<Path>,
    ) -> Result<Mesh, ReadError> {
        let path = path.as_ref();
        let of_lines = match self {
            Self::Ply => return ply::read(source, path),
            Self::Off => off::read,
            Self::Obj => obj::read,
            Self::Points => xyz::read,
        };
        of_lines(&mut Lines::new(source, path)?)
    }
}

/// The mesh of a file, or its points, by the extension of its name ([`MeshFormat::of`]).
///
/// # Errors
/// As [`MeshFormat::read`]; [`ReadError::Format`] for another extension.
pub fn read_mesh(path: impl AsRef<Path>) -> Result<Mesh, ReadError> {
    let path = path.as_ref();
    match MeshFormat::of(path) {
        Some(format) => format.read(path),
        None => Err(ReadError::Format {
            path: path.to_owned(),
            message: format!("no format is known by the extension {:?}", extension(path)),
        }),
    }
}

/// What a file's name ends in, in small letters; of `a.OFF.gz` it is `off`.
fn extension(path: &Path) -> String {
    let last = |path: &Path| {
        let extension = path.extension().unwrap_or_default();
        extension.to_string_lossy().to_ascii_lowercase()
    };
    match last(path).as_str() {
        "gz" => last(&path.with_extension("")),
        own => own.to_owned(),
    }
}
