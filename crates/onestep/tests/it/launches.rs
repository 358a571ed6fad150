//! What a card is told in a training step. By itself: a recording sees what other tests launch meanwhile (`.ci/gpu` runs it alone).

use burn::tensor::Device;
use onestep::train::Trainer;

use crate::devices::device;
use crate::training::tiny;

/// It is read from once, and a norm, an update or an average is one kernel.
#[test]
fn a_training_step_reads_once_and_launches_few_kernels() {
    let device = device();
    if device == Device::flex() {
        println!("not tried: the processor launches no kernels");
        return;
    }
    for method in ["edm", "ict"] {
        let recipe = tiny(method, &["network.dropout=0.3"]);
        let n_averages = recipe.train.averages.len();
        let data = onestep::data::open(&recipe.data).unwrap();
        let mut trainer = Trainer::new(recipe, data, None, &device).unwrap();
        trainer.step().unwrap();
        let (step, entries) = onestep_kernels::profile::record(|| trainer.step());
        step.unwrap();
        let count = |name: &str| entries.iter().filter(|entry| entry.operation.name == name).count();
        let n_parameters = trainer.student().weights().values().len();
        println!("{method}: {} launches, {n_parameters} tensors of parameters", entries.len());
        assert_eq!(count("read back"), 1);
        assert_eq!(count("AdamStep"), n_parameters);
        assert_eq!(count("SumSquares"), n_parameters);
        assert_eq!(count("Blend"), n_averages * n_parameters);
        assert!(count("NormBackward") > 0);
        // Targets are evaluated without gradients.
        assert!(count("NormForward") >= count("NormBackward"));
        assert_eq!(count("NormBackward"), count("NormParameters"));
        assert!(entries.len() < 15 * n_parameters, "{method}: {} launches", entries.len());
    }
}
