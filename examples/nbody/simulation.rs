//! Charged balls in a box: the physics that makes the data.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// Balls in a system.
pub const BALLS: usize = 5;

/// One vector for each ball.
pub type Vectors = [[f64; 3]; BALLS];

/// Positions and velocities at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Positions.
    pub positions: Vectors,
    /// Velocities.
    pub velocities: Vectors,
}

/// What a system is before time begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InitialState {
    /// Charges, +1 or -1.
    pub charges: [f64; BALLS],
    /// Positions and velocities.
    pub frame: Frame,
}

/// The walls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Walls {
    /// None: balls may fly away.
    None,
    /// Elastic walls at plus and minus this coordinate.
    At(f64),
}

/// The laws of motion: unit masses, Coulomb forces `F_i = sum_j q_i q_j (x_i - x_j) / r^3` with each
/// component clipped, integrated by leapfrog.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Physics {
    /// The walls.
    pub walls: Walls,
    /// Time of one step.
    pub time_step: f64,
    /// Steps from one stored frame to the next.
    pub steps_per_frame: usize,
    /// Largest absolute value of a component of a force.
    pub max_force: f64,
}

impl Physics {
    /// The paper's: steps of 0.001, every hundredth kept, forces to 100.
    pub fn new(walls: Walls) -> Self {
        Self {
            walls,
            time_step: 0.001,
            steps_per_frame: 100,
            max_force: 100.0,
        }
    }

    /// Time from one stored frame to the next.
    pub fn frame_time(&self) -> f64 {
        self.time_step * self.steps_per_frame as f64
    }

    /// The first `count` stored frames. Frame 0 is `steps_per_frame` steps after the start, as in the
    /// published generator.
    pub fn frames(&self, start: &InitialState, count: usize) -> Vec<Frame> {
        let charges = &start.charges;
        let Frame {
            positions: mut x,
            velocities: mut v,
        } = start.frame;
        let mut frames = Vec::with_capacity(count);
        self.reflect(&mut x, &mut v);
        self.kick(charges, &x, &mut v);
        for step in 1..=count * self.steps_per_frame {
            for (x, v) in x.as_flattened_mut().iter_mut().zip(v.as_flattened()) {
                *x += self.time_step * v;
            }
            self.reflect(&mut x, &mut v);
            // A stored velocity is the one that led to the stored position.
            if step % self.steps_per_frame == 0 {
                frames.push(Frame {
                    positions: x,
                    velocities: v,
                });
            }
            self.kick(charges, &x, &mut v);
        }
        frames
    }

    fn kick(&self, charges: &[f64; BALLS], x: &Vectors, v: &mut Vectors) {
        let forces = self.forces(charges, x);
        for (v, force) in v.as_flattened_mut().iter_mut().zip(forces.as_flattened()) {
            *v += self.time_step * force;
        }
    }

    /// The force on each ball.
    pub fn forces(&self, charges: &[f64; BALLS], x: &Vectors) -> Vectors {
        let mut forces = [[0.0; 3]; BALLS];
        for i in 0..BALLS {
            for j in i + 1..BALLS {
                let d: [f64; 3] = std::array::from_fn(|k| x[i][k] - x[j][k]);
                let squared: f64 = d.iter().map(|d| d * d).sum();
                let scale = charges[i] * charges[j] / (squared * squared.sqrt());
                for k in 0..3 {
                    forces[i][k] += scale * d[k];
                    forces[j][k] -= scale * d[k];
                }
            }
        }
        for force in forces.as_flattened_mut() {
            *force = force.clamp(-self.max_force, self.max_force);
        }
        forces
    }

    fn reflect(&self, x: &mut Vectors, v: &mut Vectors) {
        let Walls::At(wall) = self.walls else { return };
        for (x, v) in x.as_flattened_mut().iter_mut().zip(v.as_flattened_mut()) {
            if *x > wall {
                (*x, *v) = (2.0 * wall - *x, -v.abs());
            } else if *x < -wall {
                (*x, *v) = (-2.0 * wall - *x, v.abs());
            }
        }
    }
}

impl InitialState {
    /// A random system: fair charges, normal positions, speed 0.5 in a random direction. One seed,
    /// one system.
    pub fn random(seed: u64) -> Self {
        const SPEED: f64 = 0.5;
        let mut rng = StdRng::seed_from_u64(seed);
        let charges = std::array::from_fn(|_| if rng.random() { 1.0 } else { -1.0 });
        let mut normal =
            || -> [f64; 3] { std::array::from_fn(|_| StandardNormal.sample(&mut rng)) };
        let positions = std::array::from_fn(|_| normal());
        let velocities = std::array::from_fn(|_| {
            let v = normal();
            let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
            v.map(|v| SPEED * v / length)
        });
        Self {
            charges,
            frame: Frame {
                positions,
                velocities,
            },
        }
    }
}
