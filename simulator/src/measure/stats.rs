//! Small statistics. Every one is `None` where there is too little to say anything.

/// The mean and the standard deviation of two or more numbers.
pub(super) fn spread(x: &[f64]) -> Option<(f64, f64)> {
    if x.len() < 2 {
        return None;
    }
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let squares: f64 = x.iter().map(|v| (v - mean).powi(2)).sum();
    Some((mean, (squares / (n - 1.0)).sqrt()))
}

/// The mean.
pub(super) fn mean(x: &[f64]) -> Option<f64> {
    (!x.is_empty()).then(|| x.iter().sum::<f64>() / x.len() as f64)
}

/// Several quantiles, 0..=1 each, by the nearest rank.
pub(super) fn quantiles<const N: usize>(x: &mut [f64], q: [f64; N]) -> Option<[f64; N]> {
    let last = x.len().checked_sub(1)?;
    x.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let at = |q: f64| x.get((last as f64 * q).round() as usize).copied().unwrap_or_default();
    Some(q.map(at))
}

/// The correlation of pairs; at least thirty of them.
pub(super) fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 30 {
        return None;
    }
    let n = pairs.len() as f64;
    let (a, b) = pairs.iter().fold((0.0, 0.0), |(a, b), p| (a + p.0 / n, b + p.1 / n));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for p in pairs {
        let (x, y) = (p.0 - a, p.1 - b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_they_are_called() {
        assert_eq!(spread(&[1.0]), None);
        assert_eq!(spread(&[1.0, 3.0]), Some((2.0, 2.0f64.sqrt())));
        assert_eq!(quantiles(&mut [3.0, 1.0, 2.0], [0.0, 0.5, 1.0]), Some([1.0, 2.0, 3.0]));
        assert_eq!(quantiles(&mut [], [0.5]), None);
        let line: Vec<(f64, f64)> = (0..40).map(|n| (f64::from(n), 7.0 - f64::from(n))).collect();
        assert!((correlation(&line).unwrap() + 1.0).abs() < 1e-9);
        assert_eq!(correlation(&line[..20]), None);
    }
}
