//! Snapshots: a header with version, length and checksum, then everything that a step reads.
//!
//! Numbers are kept as rows over all environments, so a snapshot does not know how wide the registers were.

use keiko_dynamics::any::AnyBatch;
use keiko_dynamics::batch::Part;
use serde::{Deserialize, Serialize};

use super::executor::LanesExecutor;
use crate::executor::SnapshotError;

const MAGIC: &[u8; 8] = b"keikolan";
const VERSION: u32 = 3;
const HEADER: usize = 8 + 4 + 8 + 4;
/// No snapshot has later controls.
const MAX_DELAY: usize = 1000;

#[derive(Serialize, Deserialize)]
struct Record {
    /// Environments, bytes of a number, rows of the three parts, checksum of the engine's tables.
    sizes: [u64; 6],
    steps: Vec<u64>,
    /// Control steps that a control may be late.
    max_delay: usize,
    /// Rows of the state, the parameters and the output, little endian.
    numbers: Vec<u8>,
}

/// What must agree: the rows mean the same only in the same plan.
fn sizes(core: &dyn AnyBatch, num_envs: usize) -> [u64; 6] {
    let plan = core.plan();
    let tables = plan.ints.iter().fold(0, |crc, int| crc32c::crc32c_append(crc, &int.to_le_bytes()));
    [
        num_envs as u64,
        core.number_size() as u64,
        plan.state_len as u64,
        plan.parameters_len as u64,
        plan.output_len as u64,
        u64::from(tables),
    ]
}

fn parts(core: &dyn AnyBatch) -> impl Iterator<Item = (Part, usize)> + use<> {
    let plan = core.plan();
    let counts = [
        (Part::State, plan.state_len),
        (Part::Parameters, plan.parameters_len),
        (Part::Output, plan.output_len),
    ];
    counts.into_iter().flat_map(|(part, len)| (0..len).map(move |row| (part, row)))
}

/// All environments as bytes.
pub(super) fn save(executor: &LanesExecutor) -> Vec<u8> {
    let core = &*executor.core;
    let single = core.number_size() == size_of::<f32>();
    let mut numbers = Vec::new();
    for (part, row) in parts(core) {
        for env in 0..executor.steps.len() {
            let number = core.number(part, row, env);
            match single {
                true => numbers.extend_from_slice(&(number as f32).to_le_bytes()),
                false => numbers.extend_from_slice(&number.to_le_bytes()),
            }
        }
    }
    let record = Record {
        sizes: sizes(core, executor.steps.len()),
        steps: executor.steps.clone(),
        max_delay: executor.max_delay(),
        numbers,
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

/// Puts the executor where the bytes say; on error it is as it was.
pub(super) fn load(executor: &mut LanesExecutor, bytes: &[u8]) -> Result<(), SnapshotError> {
    let body = checked_body(bytes)?;
    let record: Record =
        postcard::from_bytes(body).map_err(|error| refuse(format!("the data do not decode: {error}")))?;
    let num_envs = executor.steps.len();
    let other_delay = record.max_delay != executor.max_delay() && record.max_delay <= MAX_DELAY;
    let mut room = match other_delay {
        true => Some(executor.with_delay(record.max_delay).map_err(|error| refuse(error.to_string()))?),
        false => None,
    };
    let core = room.as_mut().unwrap_or(&mut executor.core);
    let expected = sizes(&**core, num_envs);
    if record.sizes[0] != expected[0] {
        return Err(refuse(format!("it holds {} environments, expected {}", record.sizes[0], expected[0])));
    }
    if record.sizes != expected {
        return Err(refuse(format!(
            "it is of another model: sizes {:?}, expected {expected:?}",
            record.sizes
        )));
    }
    let size = core.number_size();
    let rows = parts(&**core).count();
    let whole = record.numbers.len() == rows * num_envs * size && record.steps.len() == num_envs;
    if !whole {
        return Err(refuse("a row has another length".to_owned()));
    }
    let places: Vec<_> = parts(&**core).collect();
    for ((part, row), bytes) in places.into_iter().zip(record.numbers.chunks_exact((num_envs * size).max(1)))
    {
        let row_numbers: Vec<f64> = bytes.chunks_exact(size).map(number).collect();
        core.restore(part, row, &row_numbers);
    }
    if let Some(core) = room {
        executor.take_core(core);
    }
    executor.steps = record.steps;
    Ok(())
}

/// A number of 4 or 8 bytes.
fn number(bytes: &[u8]) -> f64 {
    match *bytes {
        [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => f64::NAN,
    }
}

fn checked_body(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    let short = || refuse(format!("{} bytes are too few", bytes.len()));
    let (header, body) = bytes.split_at_checked(HEADER).ok_or_else(short)?;
    let number =
        |at: usize, len: usize| header[at..at + len].iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
    if &header[..8] != MAGIC {
        return Err(refuse(
            "it is not a snapshot of the `lanes` engine; a run goes on with the engine it began with"
                .to_owned(),
        ));
    }
    if number(8, 4) != u64::from(VERSION) {
        return Err(refuse(format!("version {}, this program reads {VERSION}", number(8, 4))));
    }
    if number(12, 8) != body.len() as u64 {
        return Err(refuse(format!("{} bytes of data, the header says {}", body.len(), number(12, 8))));
    }
    if number(20, 4) != u64::from(crc32c::crc32c(body)) {
        return Err(refuse("the checksum does not match".to_owned()));
    }
    Ok(body)
}

fn refuse(why: String) -> SnapshotError {
    SnapshotError(why)
}
