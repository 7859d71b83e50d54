//! Parquet files, as far as datasets of demonstrations need them.
//!
//! The format is described in <https://parquet.apache.org/docs/file-format/>: a file is `PAR1`, pages of columns, a
//! footer that says where they are, the footer's length and `PAR1`. Written are plain uncompressed pages with
//! checksums, all rows in one group; images are compressed already. Read is what pyarrow, pandas and the library
//! `datasets` write unless told otherwise: plain values and dictionaries, both versions of pages, without compression or
//! with snappy or gzip.
//!
//! The crate `parquet` is not used because it turns on features of `ahash`, on which all of burn stands, and without its
//! arrow half it gives the levels of nested columns and no more: what remains is what is here.

mod levels;
mod read;
mod schema;
mod thrift;
mod values;
mod write;

pub use read::ParquetFile;
pub use values::{Blobs, Rows, Values};
pub use write::{Column, Layout, to_bytes};

/// First and last bytes of a file.
const MAGIC: &[u8; 4] = b"PAR1";

/// Codes of `Encoding`.
mod encoding {
    pub const PLAIN: i64 = 0;
    pub const PLAIN_DICTIONARY: i64 = 2;
    pub const RLE: i64 = 3;
    pub const RLE_DICTIONARY: i64 = 8;
}

/// Codes of `PageType`.
mod page {
    pub const DATA: i64 = 0;
    pub const DICTIONARY: i64 = 2;
    pub const DATA_V2: i64 = 3;
}

/// Codes of `CompressionCodec`.
mod codec {
    pub const UNCOMPRESSED: i64 = 0;
    pub const SNAPPY: i64 = 1;
    pub const GZIP: i64 = 2;
}

/// How a value is stored, with its code of `Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Physical {
    Boolean = 0,
    Int32 = 1,
    Int64 = 2,
    Float = 4,
    Double = 5,
    Bytes = 6,
}

impl Physical {
    fn of(code: i64) -> Option<Self> {
        Some(match code {
            0 => Self::Boolean,
            1 => Self::Int32,
            2 => Self::Int64,
            4 => Self::Float,
            5 => Self::Double,
            6 => Self::Bytes,
            _ => return None,
        })
    }
}
