//! The linear memories of all guests of this process, seen from outside: nothing of the host is changed for it.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use crate::needle::Needles;

/// The address range from which every linear memory is taken.
pub(crate) struct Guests(Range<u64>);

/// One line of `/proc/self/maps` (`proc_pid_maps(5)`).
struct Mapping {
    range: Range<u64>,
    is_readable: bool,
}

fn mappings() -> Vec<Mapping> {
    let read = |line: &str| {
        let mut words = line.split(' ');
        let (start, end) = words.next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(Mapping { range: number(start)?..number(end)?, is_readable: words.next()?.starts_with('r') })
    };
    fs::read_to_string("/proc/self/maps").unwrap().lines().filter_map(read).collect()
}

impl Guests {
    /// To be asked right after the host was made, while there is no guest yet: the pool of memories is the one
    /// reservation that dwarfs all others, 4 GiB for each memory.
    pub(crate) fn of_new_host() -> Self {
        let reserved = mappings().into_iter().filter(|mapping| !mapping.is_readable);
        let largest = reserved.max_by_key(|mapping| mapping.range.end - mapping.range.start).unwrap().range;
        assert!(largest.end - largest.start >= 64 * (4 << 30), "this host has no pool of memories");
        Self(largest)
    }

    /// The needles that stand in any memory now.
    pub(crate) fn search<'n>(&self, needles: &'n Needles) -> BTreeSet<&'n str> {
        let memory = fs::File::open("/proc/self/mem").unwrap();
        let mut found = BTreeSet::new();
        let mut run: (u64, Vec<u8>) = (0, Vec::new());
        let within = mappings().into_iter().filter(|mapping| {
            mapping.is_readable && mapping.range.start >= self.0.start && mapping.range.end <= self.0.end
        });
        for Mapping { range, .. } in within {
            // What lies beside each other is one memory: its image and what it grew by.
            if run.0 != range.start {
                found.extend(needles.within(&run.1));
                run.1.clear();
            }
            let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
            // A memory may go back to the pool while it is read; then there is nothing in it.
            if memory.read_exact_at(&mut bytes, range.start).is_ok() {
                run.1.append(&mut bytes);
            }
            run.0 = range.end;
        }
        found.extend(needles.within(&run.1));
        found
    }
}
