//! How much memory this process may still take.

/// Bytes that the system says are available, less where the process is held to a limit; none where no system says.
pub fn available() -> Option<u64> {
    let system = meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    let number = |file: &str| {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse::<u64>().ok()
    };
    let limit =
        number("memory.max").zip(number("memory.current")).map(|(limit, used)| limit.saturating_sub(used));
    Some(limit.map_or(system, |limit| limit.min(system)))
}

/// `MemAvailable` of Linux, which is told in kibibytes.
fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn available_memory_is_read_in_bytes() {
        let text = "MemTotal:       16000000 kB\nMemFree:          100 kB\nMemAvailable:    8000000 kB\n";
        assert_eq!(super::meminfo(text), Some(8_192_000_000));
        assert_eq!(super::meminfo("MemTotal: 5 kB\n"), None);
    }
}
