//! Runs and packed bits, as parquet stores levels and places in dictionaries.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>

/// Bits that hold numbers up to `max`.
pub fn bits_for(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

/// Reads `count` numbers of `bits` bits each.
pub fn read(bytes: &[u8], bits: u32, count: usize) -> Result<Vec<u32>, &'static str> {
    const SHORT: &str = "runs of numbers that end too early";
    if bits > 32 {
        return Err("numbers of more than 32 bits");
    }
    let mut numbers = Vec::new();
    let mut at = 0;
    while numbers.len() < count {
        let left = count - numbers.len();
        let head = varint(bytes, &mut at).ok_or(SHORT)?;
        let length = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        if length == 0 {
            return Err("an empty run");
        }
        if head & 1 == 0 {
            let width = bits.div_ceil(8) as usize;
            let stored = bytes.get(at..).and_then(|rest| rest.get(..width)).ok_or(SHORT)?;
            at += width;
            let value = stored.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
            numbers.resize(numbers.len() + length.min(left), value);
        } else {
            // Groups of eight. The last one may be cut where nothing but padding follows.
            let packed = bytes.get(at..).ok_or(SHORT)?;
            let size = length.checked_mul(bits as usize).map_or(packed.len(), |size| size.min(packed.len()));
            at += size;
            let wanted = length.saturating_mul(8).min(left);
            if bits > 0 && size * 8 < wanted * bits as usize {
                return Err(SHORT);
            }
            numbers.extend((0..wanted).map(|k| unpack(&packed[..size], bits, k)));
        }
    }
    Ok(numbers)
}

fn unpack(packed: &[u8], bits: u32, index: usize) -> u32 {
    let start = index * bits as usize;
    (0..bits as usize).fold(0, |value, k| {
        let bit = start + k;
        value | u32::from(packed[bit / 8] >> (bit % 8) & 1) << k
    })
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Writes numbers as runs.
pub fn write(numbers: impl IntoIterator<Item = u32>, bits: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut run = |value: u32, mut length: u64| {
        length <<= 1;
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(&value.to_le_bytes()[..bits.div_ceil(8) as usize]);
    };
    let mut current: Option<(u32, u64)> = None;
    for number in numbers {
        current = match current {
            Some((value, length)) if value == number => Some((value, length + 1)),
            ended => {
                if let Some((value, length)) = ended {
                    run(value, length);
                }
                Some((number, 1))
            }
        };
    }
    if let Some((value, length)) = current {
        run(value, length);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_packed_groups_are_read() {
        let numbers = [3, 3, 3, 0, 1, 1, 2];
        let bytes = write(numbers, 2);
        assert_eq!(read(&bytes, 2, 7).as_deref(), Ok(&numbers[..]));
        assert!(read(&bytes, 2, 8).is_err());
        // The example of the format's own page: 0 to 7, three bits each.
        let packed = [3, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        assert_eq!(read(&packed, 3, 8).as_deref(), Ok(&[0, 1, 2, 3, 4, 5, 6, 7][..]));
        assert!(read(&packed[..3], 3, 8).is_err());
        assert_eq!(read(&packed[..3], 3, 5).as_deref(), Ok(&[0, 1, 2, 3, 4][..]));
        assert_eq!(read(&[8, 0], 0, 4).as_deref(), Ok(&[0; 4][..]), "no bits, no bytes");
        assert_eq!([0, 1, 2, 3, 4].map(bits_for), [0, 1, 2, 2, 3]);
    }
}
