//! PyTorch state dicts, there and back.

use onestep::interop::{InteropError, NamedArrays, from_torch, to_torch};
use onestep::model::{Architecture, ModelError, Weights};

use super::small::{Call, small_architectures};
use crate::golden::Array;

fn named(weights: &Weights) -> NamedArrays {
    let array = |(spec, value): (&onestep::model::ParameterSpec, &burn::tensor::Tensor<1>)| {
        (spec.name.clone(), (spec.shape.clone(), Array::from_tensor(value.clone()).f32()))
    };
    weights.iter().map(array).collect()
}

fn small(wanted: &str) -> Architecture {
    small_architectures().into_iter().find(|kind| format!("{kind:?}").starts_with(wanted)).expect(wanted)
}

#[test]
fn weights_survive_the_way_to_pytorch_and_back() {
    for architecture in small_architectures() {
        let ours = named(&Call::new(&architecture, 1).weights);
        let theirs = to_torch(&architecture, ours.clone()).expect("complete weights");
        assert_ne!(ours, theirs, "{architecture:?}: layouts differ");
        assert_eq!(from_torch(&architecture, theirs).expect("their own file"), ours, "{architecture:?}");
    }
}

#[test]
fn layouts_and_orders_are_the_published_ones() {
    let architecture = small("Dhariwal");
    let theirs =
        to_torch(&architecture, named(&Call::new(&architecture, 1).weights)).expect("complete weights");
    let ours = from_torch(&architecture, theirs.clone()).expect("their own file");
    let at = |arrays: &NamedArrays, name: &str, index: &[usize]| {
        let (shape, values) = &arrays[name];
        values[index.iter().zip(shape).fold(0, |flat, (index, size)| flat * size + index)]
    };
    let conv = "enc.14x14_block0.conv0.weight";
    assert_eq!(at(&ours, conv, &[0, 2, 5, 7]), at(&theirs, &format!("model.{conv}"), &[7, 5, 0, 2]));
    let linear = "map_layer0.weight";
    assert_eq!(at(&ours, linear, &[3, 8]), at(&theirs, &format!("model.{linear}"), &[8, 3]));
    // One head of 64 channels: our key 5 is their output 5 · 3 + 1.
    let qkv = "enc.14x14_block0.qkv";
    assert_eq!(
        at(&ours, &format!("{qkv}.weight"), &[0, 0, 9, 64 + 5]),
        at(&theirs, &format!("model.{qkv}.weight"), &[5 * 3 + 1, 9, 0, 0])
    );
    assert_eq!(
        at(&ours, &format!("{qkv}.bias"), &[64 + 5]),
        at(&theirs, &format!("model.{qkv}.bias"), &[16])
    );
    assert_eq!(theirs["model.dec.28x28_up.skip.resample_filter"], (vec![1, 1, 2, 2], vec![0.25; 4]));

    let architecture = small("Adm");
    let ours = named(&Call::new(&architecture, 1).weights);
    let theirs = to_torch(&architecture, ours.clone()).expect("complete weights");
    assert_eq!(theirs["label_emb.weight"], ours["label_emb.weight"], "a table of rows is not transposed");
    assert_eq!(
        at(&ours, "input_blocks.3.1.qkv.weight", &[0, 0, 9, 70]),
        at(&theirs, "input_blocks.3.1.qkv.weight", &[70, 9, 0, 0])
    );
}

#[test]
fn files_that_do_not_fit_are_refused_by_the_name_of_the_tensor() {
    let architecture = small("Song");
    let whole =
        to_torch(&architecture, named(&Call::new(&architecture, 1).weights)).expect("complete weights");
    let refused = |change: &dyn Fn(&mut NamedArrays)| {
        let mut changed = whole.clone();
        change(&mut changed);
        match from_torch(&architecture, changed).expect_err("a file that does not fit") {
            InteropError::Model(error) => error,
            other => panic!("{other}"),
        }
    };
    assert_eq!(
        refused(&|file| drop(file.remove("model.map_layer0.weight"))),
        ModelError::MissingTensor { name: "model.map_layer0.weight".into(), shape: vec![64, 32] }
    );
    assert_eq!(
        refused(&|file| drop(file.insert("model.more".into(), (vec![1], vec![0.0])))),
        ModelError::ExtraTensor { name: "model.more".into() }
    );
    assert_eq!(
        refused(&|file| file.get_mut("model.map_layer0.weight").unwrap().0.reverse()),
        ModelError::WrongShape {
            name: "model.map_layer0.weight".into(),
            found: vec![32, 64],
            expected: vec![64, 32]
        }
    );
    assert_eq!(
        refused(&|file| file.get_mut("model.map_layer0.bias").unwrap().1.truncate(5)),
        ModelError::WrongShape { name: "model.map_layer0.bias".into(), found: vec![64], expected: vec![64] }
    );
    let filter = "model.enc.14x14_aux_residual.resample_filter";
    let error = refused(&|file| file.get_mut(filter).unwrap().1[3] += 0.01);
    assert!(matches!(&error, ModelError::WrongConstant { name, .. } if name == filter), "{error}");
    let error = refused(&|file| drop(file.insert(filter.into(), (vec![1, 1, 2, 2], vec![0.25; 4]))));
    assert!(matches!(&error, ModelError::WrongShape { name, .. } if name == filter), "{error}");

    // Filters are constants: a file without them says no less.
    let mut without = whole.clone();
    without.retain(|name, _| !name.ends_with("resample_filter"));
    assert!(without.len() < whole.len());
    from_torch(&architecture, without).expect("all weights are there");
}

#[test]
fn older_attention_convolutions_are_accepted() {
    let architecture = small("Adm");
    let whole =
        to_torch(&architecture, named(&Call::new(&architecture, 1).weights)).expect("complete weights");
    let mut older = whole.clone();
    for (name, (shape, _)) in &mut older {
        if name.ends_with("qkv.weight") || name.ends_with("proj_out.weight") {
            shape.pop();
        }
    }
    assert_ne!(older, whole);
    assert_eq!(from_torch(&architecture, older).unwrap(), from_torch(&architecture, whole).unwrap());
}
