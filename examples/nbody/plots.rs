//! Pictures: loss curves, and true and foretold trajectories.

use std::error::Error;
use std::path::Path;

use burn::tensor::Device;
use plotters::coord::Shift;
use plotters::prelude::*;
use steerable::irreps::{Quaternion, Rotation};

use super::data::{Batch, FRAMES_AHEAD, Purpose, Sample, Topology};
use super::error::NbodyError;
use super::models::ModelKind;
use super::progress::{Epoch, LOSS, POSITION_ERROR};
use super::run::Row;
use super::settings::Settings;
use super::simulation::{BALLS, Frame, InitialState};

/// Systems in the picture: the first ones of the test set, not chosen ones.
const SYSTEMS: usize = 4;

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws `curves.svg` and `trajectories.svg`.
///
/// # Errors
/// When a file cannot be written.
pub fn draw(
    out: &Path,
    settings: &Settings,
    rows: &[Row],
    device: &Device,
) -> Result<(), NbodyError> {
    let told = |file: &Path, drawn: Drawn| {
        drawn.map_err(|error| NbodyError::Plot {
            file: file.to_path_buf(),
            reason: error.to_string(),
        })
    };
    if rows.iter().any(|row| !row.history.epochs.is_empty()) {
        let file = out.join("curves.svg");
        told(&file, curves(&file, rows))?;
    }
    match rows.iter().rev().find(|row| row.model.is_some()) {
        None => Ok(()),
        Some(row) => {
            let file = out.join("trajectories.svg");
            told(&file, trajectories(&file, settings, row, device))
        }
    }
}

fn color(kind: ModelKind) -> RGBColor {
    match kind {
        ModelKind::Linear => RGBColor(120, 120, 120),
        ModelKind::Plain => RGBColor(230, 140, 20),
        ModelKind::Tfn => RGBColor(30, 140, 90),
        ModelKind::Se3Transformer => RGBColor(40, 80, 200),
    }
}

/// A line of a diagram.
struct Curve {
    name: String,
    color: RGBColor,
    width: u32,
    points: Vec<(f64, f64)>,
}

fn curves(file: &Path, rows: &[Row]) -> Drawn {
    let canvas = SVGBackend::new(file, (1200, 460)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let (left, right) = canvas.split_horizontally(600);
    let of = |row: &Row, x: fn(&Epoch) -> f64, y: &dyn Fn(&Epoch) -> Option<f64>| {
        let epochs = row.history.epochs.iter();
        epochs
            .filter_map(|epoch| Some((x(epoch), y(epoch)?)))
            .collect::<Vec<_>>()
    };
    let (mut losses, mut errors) = (Vec::new(), Vec::new());
    for row in rows.iter().filter(|row| row.model.is_some()) {
        let (title, color) = (row.kind.title(), color(row.kind));
        let number = |epoch: &Epoch| epoch.epoch as f64;
        losses.push(Curve {
            name: format!("{title}, validation"),
            color,
            width: 2,
            points: of(row, number, &|epoch| epoch.valid.get(LOSS).copied()),
        });
        losses.push(Curve {
            name: format!("{title}, training"),
            color: lighter(color),
            width: 1,
            points: of(row, number, &|epoch| epoch.train.get(LOSS).copied()),
        });
        errors.push(Curve {
            name: title.into(),
            color,
            width: 2,
            points: of(row, |epoch| epoch.seconds, &|epoch| {
                epoch.valid.get(POSITION_ERROR).copied()
            }),
        });
    }
    diagram(&left, "Loss", "epoch", &losses, &[])?;
    let published: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            Some((
                format!("{}, paper", row.kind.title()),
                color(row.kind),
                row.kind.published()?[0],
            ))
        })
        .collect();
    diagram(
        &right,
        "MSE of positions, validation",
        "seconds of training",
        &errors,
        &published,
    )?;
    canvas.present()?;
    Ok(())
}

fn lighter(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let lift = |value: u8| value / 2 + 127;
    RGBColor(lift(r), lift(g), lift(b))
}

/// Curves over a logarithmic axis, with dashed levels. The axis is that of the logarithms: the plotting
/// crate's own logarithmic axis marks powers of ten only.
fn diagram(
    area: &Area<'_>,
    title: &str,
    x_label: &str,
    curves: &[Curve],
    levels: &[(String, RGBColor, f64)],
) -> Drawn {
    let points = || {
        curves
            .iter()
            .flat_map(|curve| &curve.points)
            .filter(|p| p.1 > 0.0 && p.1.is_finite())
    };
    let x_end = points().map(|point| point.0).fold(1.0, f64::max);
    let heights = || {
        points()
            .map(|point| point.1)
            .chain(levels.iter().map(|level| level.2))
    };
    let low = heights().fold(f64::INFINITY, f64::min) * 0.8;
    let high = heights().fold(0.0, f64::max) * 1.25;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..x_end * 1.02, low.log10()..high.log10())?;
    chart
        .configure_mesh()
        .x_desc(x_label)
        .y_label_formatter(&|value| format!("{:.3}", 10_f64.powf(*value)))
        .light_line_style(WHITE.mix(0.0))
        .draw()?;
    for curve in curves {
        let style = curve.color.stroke_width(curve.width);
        chart
            .draw_series(LineSeries::new(
                curve.points.iter().map(|&(x, y)| (x, y.log10())),
                style,
            ))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    for (name, color, level) in levels {
        let style = color.mix(0.8).stroke_width(1);
        chart
            .draw_series(DashedLineSeries::new(
                [(0.0, level.log10()), (x_end * 1.02, level.log10())],
                5,
                5,
                style,
            ))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 6, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(())
}

/// A test system with all its frames, and where two models put its balls.
struct Flight {
    charges: [f64; BALLS],
    frames: Vec<Frame>,
    foretold: Vec<[f64; 3]>,
    straight: Vec<[f64; 3]>,
}

fn flights(settings: &Settings, row: &Row, device: &Device) -> Vec<Flight> {
    let physics = settings.physics();
    let topology = Topology::new(1, device);
    let still = Rotation::from_quaternion(Quaternion {
        w: 1.0,
        x: 0.0,
        y: 0.0,
        z: 0.0,
    })
    .expect("a unit quaternion");
    (0..SYSTEMS)
        .map(|index| {
            let start = InitialState::random(Purpose::Testing.seed(settings.seed, index));
            let frames = physics.frames(&start, FRAMES_AHEAD + 1);
            let sample = Sample {
                charges: start.charges,
                now: frames[0],
                later: frames[FRAMES_AHEAD],
            };
            let batch = Batch::new(&[&sample].into_iter(), &topology, still, device);
            let moved = row.predict(&batch, settings.time_ahead()).displacement;
            let moved: Vec<f64> = moved.into_data().iter::<f64>().collect();
            let now = &sample.now;
            let end = |ball: usize, step: [f64; 3]| {
                std::array::from_fn(|k| now.positions[ball][k] + step[k])
            };
            Flight {
                charges: start.charges,
                foretold: (0..BALLS)
                    .map(|ball| end(ball, std::array::from_fn(|k| moved[3 * ball + k])))
                    .collect(),
                straight: (0..BALLS)
                    .map(|ball| {
                        end(
                            ball,
                            now.velocities[ball].map(|v| v * settings.time_ahead()),
                        )
                    })
                    .collect(),
                frames,
            }
        })
        .collect()
}

fn trajectories(file: &Path, settings: &Settings, row: &Row, device: &Device) -> Drawn {
    let canvas = SVGBackend::new(file, (1120, 1180)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let title = format!(
        "The first {SYSTEMS} test systems, seen along z: paths (red +, blue -) from dot to triangle; cross: {}; circle: straight on",
        row.kind.title()
    );
    let canvas = canvas.titled(&title, ("sans-serif", 18))?;
    for (area, flight) in canvas
        .split_evenly((2, 2))
        .iter()
        .zip(flights(settings, row, device))
    {
        draw_flight(area, &flight)?;
    }
    canvas.present()?;
    Ok(())
}

fn draw_flight(area: &Area<'_>, flight: &Flight) -> Drawn {
    let plane = |p: &[f64; 3]| (p[0], p[1]);
    let true_points = flight
        .frames
        .iter()
        .flat_map(|frame| frame.positions.iter());
    let all: Vec<(f64, f64)> = true_points
        .chain(&flight.foretold)
        .chain(&flight.straight)
        .map(plane)
        .collect();
    let middle = |values: &dyn Fn(&(f64, f64)) -> f64| {
        let low = all.iter().map(values).fold(f64::INFINITY, f64::min);
        let high = all.iter().map(values).fold(f64::NEG_INFINITY, f64::max);
        (0.5 * (low + high), 0.5 * (high - low))
    };
    let ((x, x_half), (y, y_half)) = (middle(&|p| p.0), middle(&|p| p.1));
    let half = x_half.max(y_half) * 1.08;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(26)
        .y_label_area_size(36)
        .build_cartesian_2d(x - half..x + half, y - half..y + half)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE.mix(0.0))
        .draw()?;
    for ball in 0..BALLS {
        let color = if flight.charges[ball] > 0.0 {
            RGBColor(200, 40, 40)
        } else {
            RGBColor(40, 80, 200)
        };
        let path: Vec<(f64, f64)> = flight
            .frames
            .iter()
            .map(|frame| plane(&frame.positions[ball]))
            .collect();
        let (start, end) = (path[0], path[path.len() - 1]);
        chart.draw_series(LineSeries::new(path, color.stroke_width(2)))?;
        chart.draw_series([Circle::new(start, 3, color.filled())])?;
        chart.draw_series([TriangleMarker::new(end, 6, color.filled())])?;
        chart.draw_series([Circle::new(
            plane(&flight.straight[ball]),
            5,
            BLACK.mix(0.5).stroke_width(1),
        )])?;
        chart.draw_series([Cross::new(
            plane(&flight.foretold[ball]),
            6,
            BLACK.stroke_width(2),
        )])?;
    }
    Ok(())
}
