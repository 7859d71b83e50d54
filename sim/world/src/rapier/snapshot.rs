//! Snapshots: a header with version, length and checksum, then all environments in postcard.
//!
//! rapier's own decoding accepts most flipped bits and panics on some, hence the checksum before it and the guard
//! around it. An environment that has not stepped since its reset is kept as that reset: rapier does not write
//! the island events of joints that it has not seen in a step.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use super::blueprint::{Blueprint, World};
use super::drive::DriveState;
use super::environment::{Environment, ResetInput, RowLayout};
use crate::executor::{FaultCause, SnapshotError};

const MAGIC: &[u8; 8] = b"keikorap";
const VERSION: u32 = 2;
const HEADER: usize = 8 + 4 + 8 + 4;

#[derive(Serialize, Deserialize)]
struct EnvironmentRecord {
    origin: ResetInput,
    pushes: Vec<Vec<f32>>,
    fault: Option<FaultCause>,
    /// None before the first step.
    stepped: Option<Stepped>,
}

#[derive(Serialize, Deserialize)]
struct Stepped {
    world: World,
    drive: DriveState,
    steps: u64,
    row: Vec<Vec<f32>>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    sizes: [usize; 6],
    environments: Vec<EnvironmentRecord>,
}

fn sizes(blueprint: &Blueprint, layout: RowLayout) -> [usize; 6] {
    [layout.nq, layout.nv, layout.nb, layout.nu, layout.ns, blueprint.links.links.len()]
}

/// All environments as bytes.
pub(crate) fn save(blueprint: &Blueprint, layout: RowLayout, environments: &[Environment]) -> Vec<u8> {
    let record = Record {
        sizes: sizes(blueprint, layout),
        environments: environments.iter().map(record_of).collect(),
    };
    let body = postcard::to_stdvec(&record).unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

fn record_of(env: &Environment) -> EnvironmentRecord {
    let stepped = (env.steps > 0).then(|| Stepped {
        world: env.world.clone(),
        drive: env.drive.clone(),
        steps: env.steps,
        row: env.row.parts().map(<[f32]>::to_vec).to_vec(),
    });
    EnvironmentRecord { origin: env.origin.clone(), pushes: env.pushes.clone(), fault: env.fault, stepped }
}

/// New environments from bytes; the old ones are the caller's to replace.
pub(crate) fn load(
    blueprint: &Blueprint,
    layout: RowLayout,
    count: usize,
    bytes: &[u8],
) -> Result<Vec<Environment>, SnapshotError> {
    let body = checked_body(bytes)?;
    let decoded = catch_unwind(AssertUnwindSafe(|| postcard::from_bytes::<Record>(body)));
    let record = match decoded {
        Ok(Ok(record)) => record,
        Ok(Err(error)) => return Err(refuse(format!("the data do not decode: {error}"))),
        Err(_) => return Err(refuse("the data do not decode".to_owned())),
    };
    if record.sizes != sizes(blueprint, layout) {
        return Err(refuse(format!(
            "it is of another model: sizes {:?}, expected {:?}",
            record.sizes,
            sizes(blueprint, layout)
        )));
    }
    if record.environments.len() != count {
        return Err(refuse(format!("it holds {} environments, expected {count}", record.environments.len())));
    }
    record.environments.into_iter().map(|r| restore(blueprint, layout, r)).collect()
}

fn checked_body(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    let short = || refuse(format!("{} bytes are too few", bytes.len()));
    let (header, body) = bytes.split_at_checked(HEADER).ok_or_else(short)?;
    let number =
        |at: usize, len: usize| header[at..at + len].iter().rev().fold(0u64, |n, b| n << 8 | *b as u64);
    if &header[..8] != MAGIC {
        return Err(refuse(
            "it is not a snapshot of the `rapier` engine; a run goes on with the engine it began with"
                .to_owned(),
        ));
    }
    if number(8, 4) != VERSION as u64 {
        return Err(refuse(format!("version {}, this program reads {VERSION}", number(8, 4))));
    }
    if number(12, 8) != body.len() as u64 {
        return Err(refuse(format!("{} bytes of data, the header says {}", body.len(), number(12, 8))));
    }
    if number(20, 4) != crc32c::crc32c(body) as u64 {
        return Err(refuse("the checksum does not match".to_owned()));
    }
    Ok(body)
}

fn restore(
    blueprint: &Blueprint,
    layout: RowLayout,
    record: EnvironmentRecord,
) -> Result<Environment, SnapshotError> {
    let mut env = Environment::new(blueprint, layout);
    let Some(stepped) = record.stepped else {
        let empty = record.origin.qpos.len() != layout.nq;
        if !empty {
            env.reset(blueprint, record.origin);
            record.pushes.into_iter().for_each(|delta| env.push(blueprint, delta));
        }
        return Ok(env);
    };
    env.world = stepped.world;
    env.drive = stepped.drive;
    env.steps = stepped.steps;
    env.origin = record.origin;
    env.fault = record.fault;
    let lengths: Vec<usize> = env.row.parts().map(<[f32]>::len).to_vec();
    if stepped.row.len() != lengths.len() || stepped.row.iter().zip(&lengths).any(|(r, l)| r.len() != *l) {
        return Err(refuse("a row has another length".to_owned()));
    }
    for (part, saved) in env.row.parts_mut().into_iter().zip(stepped.row) {
        *part = saved;
    }
    Ok(env)
}

fn refuse(why: String) -> SnapshotError {
    SnapshotError(why)
}
