//! Numbers as people say them.

const KB: f64 = 1024.0;
pub const MB: f64 = KB * 1024.0;
const GB: f64 = MB * 1024.0;

/// From here on a tenth of a GB says more than a MB.
const GB_FROM: f64 = 4.0 * GB;

pub fn bytes(bytes: f64) -> String {
    let size = bytes.abs();
    if size >= GB_FROM {
        format!("{:.1} GB", bytes / GB)
    } else if size >= MB {
        format!("{:.0} MB", bytes / MB)
    } else {
        format!("{:.0} KB", bytes / KB)
    }
}

/// A speed, in the unit in which it has a figure before the point.
pub fn speed(per_second: f64) -> String {
    if per_second >= MB {
        format!("{:.1} MB a second", per_second / MB)
    } else {
        format!("{} a minute", bytes(per_second * 60.0))
    }
}

pub fn seconds(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.0} h", seconds / 3600.0)
    }
}

pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A number with two figures that say something: a speed is never known better.
pub fn about(number: f64) -> String {
    let unit = 10_f64.powf((number.abs().max(1.0).log10().floor() - 1.0).max(0.0));
    format!("{:.0}", (number / unit).round() * unit)
}

/// `1 worker`, `2 workers`.
pub fn count(number: f64, one: &str) -> String {
    format!("{number:.0} {one}{}", if number == 1.0 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_in_their_own_size() {
        assert_eq!(bytes(300.0 * MB), "300 MB");
        assert_eq!(bytes(12.5 * GB), "12.5 GB");
        assert_eq!(bytes(2048.0), "2 KB");
        assert_eq!(speed(2.5 * MB), "2.5 MB a second");
        assert_eq!(speed(0.1 * MB), "6 MB a minute");
        assert_eq!(seconds(90.0), "90 s");
        assert_eq!(seconds(600.0), "10 min");
        assert_eq!(seconds(36_000.0), "10 h");
        assert_eq!(percent(0.756), "76 %");
        assert_eq!([about(54_212.0), about(127.4), about(99.6), about(7.0)], ["54000", "130", "100", "7"]);
        assert_eq!(count(1.0, "worker"), "1 worker");
        assert_eq!(count(3.0, "worker"), "3 workers");
    }
}
