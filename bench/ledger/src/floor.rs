//! What the disk itself takes: one thread, `pwrite` and `fdatasync` of bytes into a file that has them already.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

const FILE_BYTES: usize = 64 * 1024 * 1024;

pub struct Floor(File);

impl Floor {
    pub fn new(path: &Path) -> Self {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).unwrap();
        file.write_all_at(&noise(FILE_BYTES), 0).unwrap();
        file.sync_all().unwrap();
        Self(file)
    }

    /// Microseconds of each write of so many bytes with its sync.
    pub fn run(&self, bytes: usize, within: Duration) -> Histogram<u64> {
        let data = noise(bytes);
        let mut histogram = Histogram::new_with_bounds(1, 600_000_000, 3).unwrap();
        let started = Instant::now();
        let mut offset = 0;
        while started.elapsed() < within {
            let write = Instant::now();
            self.0.write_all_at(&data, offset).unwrap();
            self.0.sync_data().unwrap();
            histogram.record(write.elapsed().as_micros().max(1) as u64).unwrap();
            // Each write has pages of its own, as the journal's records have.
            offset =
                (offset + bytes.next_multiple_of(4_096) as u64) % (FILE_BYTES - bytes) as u64 / 4_096 * 4_096;
        }
        histogram
    }

    /// Bytes a second of one large sequential write with one sync at its end.
    pub fn sequential(&self) -> f64 {
        let data = noise(1024 * 1024);
        let started = Instant::now();
        for offset in (0..FILE_BYTES).step_by(data.len()) {
            self.0.write_all_at(&data, offset as u64).unwrap();
        }
        self.0.sync_data().unwrap();
        FILE_BYTES as f64 / started.elapsed().as_secs_f64()
    }
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(0xd129_42ee_63ac_1b25).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(bytes)
    .collect()
}
