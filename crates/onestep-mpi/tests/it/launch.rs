//! What launchers tell.

use onestep_mpi::launch::{Launched, launched_by};

#[test]
fn launchers_are_recognised_by_their_variables() {
    let told = |variables: &[(&str, &str)]| {
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        launched_by(move |name| {
            variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
    };
    let rank_3_of_8 = Some(Launched { rank: 3, size: 8 });
    assert_eq!(told(&[("OMPI_COMM_WORLD_RANK", "3"), ("OMPI_COMM_WORLD_SIZE", "8")]), rank_3_of_8);
    assert_eq!(told(&[("PMI_RANK", "3"), ("PMI_SIZE", "8")]), rank_3_of_8);
    assert_eq!(told(&[("SLURM_PROCID", "3"), ("SLURM_STEP_NUM_TASKS", "8")]), rank_3_of_8);
    assert_eq!(told(&[]), None);
    assert_eq!(told(&[("PMI_RANK", "8"), ("PMI_SIZE", "8")]), None);
    assert_eq!(told(&[("PMI_RANK", "three"), ("PMI_SIZE", "8")]), None);
    assert_eq!(told(&[("PMI_RANK", "3")]), None);
}
