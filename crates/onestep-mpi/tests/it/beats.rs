//! Heartbeats around a ring, in a time of their own.

use std::time::{Duration, Instant};

use onestep_mpi::{Beats, Patience};

const SECOND: Duration = Duration::from_secs(1);

/// Lets all hearts beat for some seconds, and news pass from rank to rank where `passes` says so.
fn beat(ranks: &mut [Beats], from: Instant, seconds: u64, passes: impl Fn(usize) -> bool) -> Instant {
    let size = ranks.len();
    for second in 1..=seconds {
        let now = from + Duration::from_secs(second);
        for rank in 0..size {
            for message in ranks[rank].beat(now) {
                if passes(rank) {
                    ranks[(rank + 1) % size].hear(&message, now);
                }
            }
        }
    }
    from + Duration::from_secs(seconds)
}

#[test]
fn nobody_is_silent_while_all_hearts_beat() {
    let begin = Instant::now();
    for size in [1, 2, 3, 8] {
        let mut ranks: Vec<Beats> = (0..size).map(|rank| Beats::new(rank, size, begin)).collect();
        let now = beat(&mut ranks, begin, 100, |_| true);
        for rank in &ranks {
            assert_eq!(rank.silent(now, 2 * SECOND, SECOND), None, "{size} ranks");
        }
    }
}

#[test]
fn a_rank_that_falls_silent_is_named_by_all_others() {
    let begin = Instant::now();
    let mut ranks: Vec<Beats> = (0..8).map(|rank| Beats::new(rank, 8, begin)).collect();
    let now = beat(&mut ranks, begin, 20, |_| true);
    // Rank 5 hears, but is heard no more.
    let now = beat(&mut ranks, now, 20, |rank| rank != 5);
    let heard = ranks.iter().enumerate().filter(|(rank, _)| *rank != 5);
    for (rank, beats) in heard {
        let (silent, after) = beats.silent(now, 2 * SECOND, SECOND).unwrap();
        assert_eq!(silent, 5, "rank {rank}");
        assert!((12..=28).contains(&after.as_secs()), "rank {rank}: for {after:?}");
        assert!(beats.silent(now, 30 * SECOND, SECOND).is_none());
    }
    assert_eq!(
        ranks[5].silent(now, 2 * SECOND, SECOND).map(|(rank, _)| rank),
        None,
        "it hears all others through rank 4"
    );
}

#[test]
fn the_rank_that_does_not_come_is_known() {
    let begin = Instant::now();
    let mut ranks: Vec<Beats> = (0..4).map(|rank| Beats::new(rank, 4, begin)).collect();
    for (rank, beats) in ranks.iter_mut().enumerate() {
        beats.set_long(false);
        (0..if rank == 2 { 4 } else { 5 }).for_each(|_| beats.called());
    }
    let now = beat(&mut ranks, begin, 5, |_| true);
    assert_eq!(ranks[0].last(), 2);
    assert!(!ranks[0].anyone_takes_long());
    ranks[2].set_long(true);
    beat(&mut ranks, now, 5, |_| true);
    assert!(ranks[0].anyone_takes_long() && !ranks[2].anyone_takes_long());
}

#[test]
fn patience_is_measured_by_what_a_rank_took_itself() {
    let mut patience = Patience::new(5 * SECOND);
    assert!(!patience.is_over(10 * SECOND, false) && patience.is_over(11 * SECOND, false));
    patience.took(2 * SECOND);
    patience.took(SECOND);
    assert!(!patience.is_over(20 * SECOND, false) && patience.is_over(21 * SECOND, false));
    assert!(!patience.is_over(600 * SECOND, true) && patience.is_over(3601 * SECOND, true));
}
