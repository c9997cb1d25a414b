//! PLY files, in text and in binary.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use ply_rs_bw::parser::{Parser, Reader};
use ply_rs_bw::ply::{Property, PropertyAccess, PropertyAccessResult};

use super::Mesh;
use super::mesh::add_fan;
use crate::ReadError;

/// See [`super::MeshFormat`].
pub(super) fn read(source: impl Read, path: &Path) -> Result<Mesh, ReadError> {
    let read = mesh(&mut Reader::new(BufReader::new(source)));
    read.map_err(|message| ReadError::Format {
        path: path.to_owned(),
        message,
    })
}

fn mesh<T: BufRead>(reader: &mut Reader<T>) -> Result<Mesh, String> {
    let header = Parser::<Vertex>::new().read_header(reader);
    let header = header.map_err(|error| error.to_string())?;
    let mut mesh = Mesh::default();
    let mut faces = Vec::new();
    for (name, element) in &header.elements {
        // Elements of nothing take memory and no bytes.
        if element.properties.is_empty() && element.count > 0 {
            return Err(format!("element {name} has no property"));
        }
        match name.as_str() {
            "vertex" => {
                let read =
                    Parser::<Vertex>::new().read_payload_for_element(reader, element, &header);
                set_vertices(&read.map_err(|error| error.to_string())?, &mut mesh)?;
            }
            "face" => {
                let read = Parser::<Face>::new().read_payload_for_element(reader, element, &header);
                faces = read.map_err(|error| error.to_string())?;
            }
            _ => {
                let read =
                    Parser::<Other>::new().read_payload_for_element(reader, element, &header);
                read.map_err(|error| error.to_string())?;
            }
        }
    }
    for (number, face) in faces.into_iter().enumerate() {
        let corners = face
            .0
            .ok_or_else(|| format!("face {number} has no list of vertices"))?;
        let known = corners
            .iter()
            .all(|&corner| (corner as usize) < mesh.vertices.len());
        if !known || corners.len() < 3 {
            return Err(format!(
                "face {number}: {corners:?} are no corners of a face"
            ));
        }
        add_fan(&corners, &mut mesh.triangles);
    }
    Ok(mesh)
}

fn set_vertices(vertices: &[Vertex], mesh: &mut Mesh) -> Result<(), String> {
    for (number, vertex) in vertices.iter().enumerate() {
        if vertex.position.into_iter().any(|x| !x.is_finite()) {
            let [x, y, z] = vertex.position;
            return Err(format!("vertex {number}: {x} {y} {z} is no position"));
        }
    }
    mesh.vertices = vertices.iter().map(|vertex| vertex.position).collect();
    let normals = vertices.iter().map(|vertex| vertex.normal);
    let are_known = normals.clone().flatten().all(f64::is_finite);
    mesh.normals = (are_known && !vertices.is_empty()).then(|| normals.collect());
    Ok(())
}

/// What is not given stays not a number.
struct Vertex {
    position: [f64; 3],
    normal: [f64; 3],
}

/// The indices of its corners.
struct Face(Option<Vec<u32>>);

/// An element of no use here.
struct Other;

impl PropertyAccess for Vertex {
    fn new() -> Self {
        Self {
            position: [f64::NAN; 3],
            normal: [f64::NAN; 3],
        }
    }

    fn set_property(&mut self, name: &str, property: Property) -> PropertyAccessResult {
        let place = match name {
            "x" => &mut self.position[0],
            "y" => &mut self.position[1],
            "z" => &mut self.position[2],
            "nx" => &mut self.normal[0],
            "ny" => &mut self.normal[1],
            "nz" => &mut self.normal[2],
            _ => return PropertyAccessResult::Ignored,
        };
        *place = match property {
            Property::Float(value) => value.into(),
            Property::Double(value) => value,
            Property::Char(value) => value.into(),
            Property::UChar(value) => value.into(),
            Property::Short(value) => value.into(),
            Property::UShort(value) => value.into(),
            Property::Int(value) => value.into(),
            Property::UInt(value) => value.into(),
            _ => return PropertyAccessResult::UnsupportedType,
        };
        PropertyAccessResult::Set
    }
}

impl PropertyAccess for Face {
    fn new() -> Self {
        Self(None)
    }

    fn set_property(&mut self, name: &str, property: Property) -> PropertyAccessResult {
        if !matches!(name, "vertex_indices" | "vertex_index") {
            return PropertyAccessResult::Ignored;
        }
        // An index below zero is none of a vertex, and found as such.
        self.0 = Some(match property {
            Property::ListInt(values) => indices(values),
            Property::ListUInt(values) => values,
            Property::ListShort(values) => indices(values),
            Property::ListUShort(values) => indices(values),
            Property::ListChar(values) => indices(values),
            Property::ListUChar(values) => indices(values),
            _ => return PropertyAccessResult::UnsupportedType,
        });
        PropertyAccessResult::Set
    }
}

impl PropertyAccess for Other {
    fn new() -> Self {
        Self
    }
}

fn indices<T: TryInto<u32>>(values: Vec<T>) -> Vec<u32> {
    let index = |value: T| value.try_into().unwrap_or(u32::MAX);
    values.into_iter().map(index).collect()
}
