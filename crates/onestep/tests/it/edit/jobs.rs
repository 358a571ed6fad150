//! Jobs: what the front door makes of them, and that they can be written, read and done again.

use burn::tensor::Device;
use onestep::data::{ImageShape, Pixels, Rounding, pixels_from_tensor, tensor_from_pixels};
use onestep::edit::{
    CanvasFit, Colorize, Edit, EditError, Inpaint, Job, MaskMarks, Picture, PictureFile, SuperResolve,
    sample_edit,
};
use onestep::model::Condition;
use onestep::noise::{SamplingLevels, SeedNoise};
use onestep::observer::{Event, Flow, Work};
use onestep::sample::{Request, SampleError, SamplingProfile};
use onestep::{EditRecord, Error, Model};

use super::promises::Squash;

const SHAPE: ImageShape = ImageShape { height: 8, width: 8, channels: 3 };

fn model() -> Model {
    Model::from_denoiser(Squash, SHAPE, SamplingProfile::consistency(Default::default()))
}

fn photo(height: usize, width: usize) -> Pixels {
    let shape = ImageShape { height, width, channels: 3 };
    Pixels::new(shape, (0..shape.n_values()).map(|i| (i * 37 % 251) as u8).collect()).unwrap()
}

/// Marks the left half.
fn mask(height: usize, width: usize) -> Pixels {
    let bytes = (0..height * width).map(|i| if i % width < width / 2 { 255 } else { 0 }).collect();
    Pixels::new(ImageShape { height, width, channels: 1 }, bytes).unwrap()
}

/// Every kind of job that needs no teacher.
fn jobs() -> Vec<Job> {
    vec![
        Job::inpaint(photo(8, 8), mask(8, 8)),
        Job::Inpaint {
            image: photo(20, 13).into(),
            mask: Some(mask(20, 13).into()),
            marks: MaskMarks::White,
            fit: CanvasFit::Pad,
            full: true,
        },
        Job::colorize(photo(9, 30)),
        Job::super_resolve(photo(9, 9), 2),
        Job::stroke(photo(8, 8)).with_strength(0.5),
        Job::denoise(photo(8, 8)),
        Job::Denoise { image: photo(8, 8).into(), noise: Some(20.0), fit: CanvasFit::Crop },
        Job::interpolate_seeds([3, 9], 5),
        Job::vary(photo(8, 8)),
        Job::vary_seed(7),
    ]
}

fn error_of(job: Job) -> Error {
    model().edit(job).definite().expect_err("a job that cannot be done")
}

/// A job is the constraint, the start and the sampler that it stands for, and nothing else.
#[test]
fn a_job_is_the_edit_that_it_stands_for() {
    let (model, device) = (model(), Device::flex());
    let levels = vec![2.0, 0.4];
    let image = tensor_from_pixels(&[photo(8, 8)], &device).unwrap();
    let known: Vec<f32> = (0..64).map(|i| if i % 8 < 4 { 0.0 } else { 1.0 }).collect();
    let inpaint = Inpaint::new(&known, [8, 8], &device).unwrap();
    let colorize = Colorize::default();
    for (job, edit) in [
        (Job::inpaint(photo(8, 8), mask(8, 8)), Edit::of(&inpaint, image.clone())),
        (Job::colorize(photo(8, 8)), Edit::of(&colorize, image.clone())),
        (Job::vary(photo(8, 8)), Ok(Edit::from(image.clone()))),
        (Job::stroke(photo(8, 8)), Ok(Edit::from(image))),
    ] {
        let request = Request {
            shape: [3, 8, 8, 3],
            condition: &Condition::default(),
            clamp: true,
            device: &device,
            on_estimate: &mut |_| true,
        };
        let noise = &mut SeedNoise::new(&[5, 6, 7]);
        let schedule = SamplingLevels::new(levels.clone()).unwrap();
        let expected = sample_edit(&Squash, &schedule, &edit.unwrap(), noise, request).unwrap();
        let edited = model.edit(job.clone()).seed(5).candidates(3).levels(levels.clone()).run().unwrap();
        assert_eq!(edited.results, pixels_from_tensor(expected, Rounding::Edm).unwrap(), "{job:?}");
    }
}

#[test]
fn a_way_between_seeds_begins_and_ends_at_their_images() {
    let model = model();
    let frames = model.edit(Job::interpolate_seeds([3, 9], 5)).levels(vec![80.0, 1.0]).run().unwrap().results;
    let ends = model.draw().seeds([3, 9]).levels(vec![80.0, 1.0]).run().unwrap();
    let ends = ends.pixels(Rounding::Edm).unwrap();
    assert_eq!((frames.len(), &frames[0], &frames[4]), (5, &ends[0], &ends[1]));
    assert!(frames[1..4].iter().all(|frame| !ends.contains(frame)));
    // A variation of no strength is the image of the seed itself.
    let job = Job::vary_seed(3).with_strength(0.0);
    let same = model.edit(job).candidates(2).levels(vec![80.0, 1.0]).run().unwrap().results;
    assert_eq!(same, [ends[0].clone(), ends[0].clone()]);
}

/// The ends of a way between pictures are those pictures again, as far as model and teacher are exact.
#[test]
fn a_way_between_pictures_begins_and_ends_at_them() {
    // Data of mean 0 and deviation 0.5: the exact diffusion model, and where its path ends.
    let variance = |sigma: f64| 0.25 / (0.25 + sigma * sigma);
    let diffusion = SamplingProfile::diffusion(Default::default());
    let teacher = Model::from_fn(SHAPE, diffusion, move |noisy, sigma| noisy * variance(sigma[0]));
    let profile = SamplingProfile::consistency(Default::default());
    let model = Model::from_fn(SHAPE, profile, move |noisy, sigma| noisy * variance(sigma[0]).sqrt());
    let pictures = [photo(8, 8), Pixels::new(SHAPE, vec![60; 192]).unwrap()];
    let job = Job::interpolate_pictures(pictures.clone(), 4);
    let edited = model.edit(job.clone()).teacher(&teacher).run().unwrap();
    assert_eq!(edited.before, pictures);
    for (frame, picture) in [(0, 0), (3, 1)] {
        let pairs = edited.results[frame].bytes().iter().zip(pictures[picture].bytes());
        let most = pairs.map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most <= Some(2), "frame {frame} is off by {most:?}");
    }
    let refused = |teacher: Option<&Model>| {
        let edits = model.edit(job.clone());
        teacher.map_or(edits.clone(), |teacher| edits.teacher(teacher)).definite().unwrap_err()
    };
    assert!(matches!(refused(None), Error::Edit(EditError::NoTeacher)));
    assert!(matches!(refused(Some(&model)), Error::Edit(EditError::TeacherJumps { .. })));
    let small = ImageShape { height: 4, ..SHAPE };
    let small = Model::from_fn(small, SamplingProfile::diffusion(Default::default()), |noisy, _| noisy);
    assert!(matches!(refused(Some(&small)), Error::Edit(EditError::TeacherShape { .. })));
    // The teacher itself cannot edit.
    let error = teacher.edit(Job::vary_seed(1)).run().unwrap_err();
    assert!(matches!(error, Error::Edit(EditError::Diffusion { .. })), "{error}");
}

#[test]
fn candidates_do_not_depend_on_their_batch_and_the_path_ends_at_them() {
    let model = model();
    for job in jobs() {
        let edits = || model.edit(job.clone()).candidates(5).levels(vec![3.0, 1.0, 0.2]);
        let (whole, parts) = (edits().keep_path(true).run().unwrap(), edits().batch(2).run().unwrap());
        assert_eq!(whole.results, parts.results, "{job:?}");
        assert_eq!((whole.path.len(), parts.path.len()), (3, 0));
        assert!(whole.path.iter().all(|step| step.len() == 5));
        if !matches!(job, Job::Inpaint { full: true, .. }) {
            assert_eq!(whole.path[2], whole.results, "{job:?}");
        }
    }
}

#[test]
fn an_observer_sees_every_batch_and_can_stop() {
    let mut seen = Vec::new();
    let mut observer = |event: &Event| {
        let Event::Progress { work: Work::Editing, done, total } = *event else { panic!("{event:?}") };
        seen.push((done, total));
        if done >= 4 { Flow::Stop } else { Flow::Continue }
    };
    let model = model();
    let edits = model.edit(Job::vary(photo(8, 8))).candidates(7).batch(2).keep_path(true);
    let edited = edits.clone().run_with(&mut observer).unwrap();
    assert_eq!(seen, [(2, 7), (4, 7)]);
    assert_eq!(edited.results, edits.run().unwrap().results[..4]);
    assert!(edited.path.iter().all(|step| step.len() == 4));
}

#[test]
fn levels_and_noise_are_chosen_where_nobody_did() {
    let model = model();
    let levels = |job: Job, steps: Option<usize>| {
        let edits = model.edit(job);
        let edits = steps.map_or(edits.clone(), |steps| edits.steps(steps)).definite().unwrap();
        edits.levels().as_slice().to_vec()
    };
    assert_eq!(levels(Job::stroke(photo(8, 8)), None), [5.38, 2.24]);
    assert_eq!(levels(Job::inpaint(photo(8, 8), mask(8, 8)), None).len(), 4);
    assert_eq!(levels(Job::interpolate_seeds([0, 1], 3), None), [80.0]);
    assert_eq!(levels(Job::stroke(photo(8, 8)).with_strength(1.0), None)[0], 80.0);
    // At the lowest level there is nothing below to go to.
    let lowest = levels(Job::vary(photo(8, 8)).with_strength(0.0), Some(3));
    assert!(lowest.len() == 1 && (lowest[0] - 0.002).abs() < 1e-12, "{lowest:?}");
    let noisy = Job::Denoise { image: photo(8, 8).into(), noise: Some(51.0), fit: CanvasFit::Crop };
    assert_eq!(levels(noisy.clone(), None), [0.4]);
    assert_eq!(model.edit(noisy).definite().unwrap().estimated_noise(), None);
    let edits = model.edit(Job::denoise(photo(8, 8))).definite().unwrap();
    let estimated = edits.estimated_noise().unwrap();
    assert!((edits.levels().as_slice()[0] - estimated / 127.5).abs() < 1e-12, "{estimated}");
    for sigma in [0.0, 81.0, f64::NAN] {
        let error = model.edit(Job::denoise(photo(8, 8))).levels(vec![sigma]).definite().unwrap_err();
        assert!(error.to_string().contains("from 0.002 to 80"), "{error}");
    }
}

#[test]
fn a_job_that_cannot_be_done_is_refused_in_words() {
    for (job, part) in [
        (Job::inpaint(photo(8, 8), mask(8, 9)), "the mask in memory is 9x8, the picture in memory is 8x8"),
        (Job::inpaint_transparent(photo(8, 8)), "is opaque"),
        (Job::inpaint(photo(8, 8), Pixels::new(SHAPE, vec![127; 192]).unwrap()), "marks nothing"),
        (Job::super_resolve(photo(8, 8), 3), "the factor must divide both"),
        (Job::super_resolve(photo(8, 8), 0), "the factor must divide both"),
        (Job::vary(photo(8, 8)).with_strength(1.5), "share from 0 to 1, not 1.5"),
        (Job::vary_seed(8).with_strength(f64::NAN), "share from 0 to 1"),
        (
            Job::Denoise { image: photo(8, 8).into(), noise: Some(-3.0), fit: CanvasFit::Crop },
            "above 0, not -3",
        ),
    ] {
        let story = error_of(job).to_string();
        assert!(story.contains(part), "{story}");
    }
    // Marked at the edge of a wide picture, of which the model sees the middle.
    let edge = (0..8 * 40).map(|i| if i % 40 < 3 { 255 } else { 0 }).collect();
    let edge = Pixels::new(ImageShape { height: 8, width: 40, channels: 1 }, edge).unwrap();
    let job = Job::inpaint(photo(8, 40), edge);
    assert!(matches!(error_of(job.clone()), Error::Edit(EditError::NothingSeen)));
    assert!(model().edit(job.with_fit(CanvasFit::Pad)).run().is_ok());
    let error = model().edit(Job::vary_seed(1)).class(0).definite().unwrap_err();
    assert!(matches!(error, Error::Sample(SampleError::NoClasses)));
    assert!(Picture::from(photo(8, 8)).with_alpha(vec![0; 63]).is_err());
    assert!(matches!(Picture::open("/"), Err(Error::Edit(EditError::Folder { .. }))));
}

#[test]
fn transparency_says_the_same_as_a_mask() {
    let alpha = mask(8, 8).bytes().iter().map(|byte| 255 - byte).collect();
    let holes = Picture::from(photo(8, 8)).with_alpha(alpha).unwrap();
    let [by_alpha, by_mask] = [Job::inpaint_transparent(holes), Job::inpaint(photo(8, 8), mask(8, 8))]
        .map(|job| model().edit(job).run().unwrap());
    assert_eq!(by_alpha, by_mask);
}

#[test]
fn what_is_known_keeps_its_bytes_and_what_went_in_is_shown() {
    let edited = model().edit(Job::inpaint(photo(8, 8), mask(8, 8))).run().unwrap();
    let before = photo(8, 8);
    let pairs = edited.results[0].bytes().chunks(3).zip(before.bytes().chunks(3));
    let kept: Vec<bool> = pairs.map(|(new, old)| new == old).collect();
    assert!(kept.chunks(8).all(|row| row[4..].iter().all(|kept| *kept)));
    assert!(kept.iter().filter(|kept| !**kept).count() > 16);
    assert_eq!((edited.before.len(), &edited.before[0]), (2, &photo(8, 8)));
    // In full size, what is hidden has the mean color of the rest.
    let whole = jobs().remove(1);
    let edited = model().edit(whole).run().unwrap();
    assert_eq!((edited.results[0].shape(), &edited.before[0]), (photo(20, 13).shape(), &photo(20, 13)));
    // A picture that is grey already is shown once.
    let grey = Pixels::new(SHAPE, vec![90; 192]).unwrap();
    assert_eq!(model().edit(Job::colorize(grey)).run().unwrap().before.len(), 1);
    // The mean of every patch of an enlarged picture is its pixel.
    let small = Pixels::new(ImageShape { height: 4, width: 4, channels: 3 }, vec![100; 48]).unwrap();
    let large = model().edit(Job::super_resolve(small, 2)).levels(vec![0.05]).run().unwrap().results;
    let sum: f64 = [0, 3, 24, 27].iter().map(|&at| f64::from(large[0].bytes()[at])).sum();
    assert!((sum / 4.0 - 100.0).abs() <= 0.5, "{sum}");
    assert!(SuperResolve::new(2).shrink(tensor_from_pixels(&large, &Device::flex()).unwrap()).is_ok());
}

#[test]
fn a_job_is_written_as_its_files_and_read_again() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("photo.png");
    photo(8, 8).save(&path).unwrap();
    let open = || Picture::open(&path).unwrap();
    for job in [
        Job::inpaint(open(), open()),
        Job::colorize(open()).with_fit(CanvasFit::Pad),
        Job::super_resolve(open(), 2),
        Job::stroke(open()).with_strength(0.3),
        Job::denoise(open()),
        Job::interpolate_pictures([open(), open()], 3),
        Job::interpolate_seeds([3, u64::MAX], 5),
        Job::vary(open()),
        Job::vary_seed(7),
    ] {
        let text = serde_json::to_string(&job).unwrap();
        assert!(text.contains(&format!("\"task\":\"{}", job.task().name())), "{text}");
        let files: Job<PictureFile> = serde_json::from_str(&text).unwrap();
        assert_eq!(files, job.files());
        assert_eq!(files.open_files().unwrap(), job);
        let longer = text.replacen('{', "{\"surprise\":1,", 1);
        assert!(serde_json::from_str::<Job<PictureFile>>(&longer).is_err(), "{longer}");
    }
    let files = Job::colorize(open()).files();
    photo(9, 8).save(&path).unwrap();
    let error = files.open_files().unwrap_err();
    assert!(error.to_string().contains("photo.png is not what the picture was made with"), "{error}");
    let error = Job::colorize(photo(8, 8)).files().open_files().unwrap_err();
    assert!(matches!(error, Error::Edit(EditError::InMemory { .. })), "{error}");
}

#[test]
fn a_record_says_everything_and_one_of_several_stands_alone() {
    let model = model();
    let edits = model.edit(Job::vary_seed(4)).seed(8).candidates(3).definite().unwrap();
    let record = edits.record();
    let read: EditRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
    assert_eq!(read, record);
    assert_eq!((record.seeds.as_slice(), record.levels.as_slice()), (&[8, 9, 10][..], &[80.0][..]));
    assert_eq!(record.of_result(1).seeds, [9]);
    // A picture on a way needs all of it.
    let way = model.edit(Job::interpolate_seeds([1, 2], 4)).seed(6).definite().unwrap().record();
    assert_eq!((way.seeds.as_slice(), way.of_result(1)), (&[6; 4][..], way.clone()));
    // A model of no file cannot be opened again.
    assert!(matches!(record.open(&Device::flex()), Err(Error::Edit(EditError::InMemory { .. }))));
}

/// A mask that is opaque on its right half alone, or on its left half alone.
fn half_opaque(pixels: Pixels, right: bool) -> Picture {
    let alpha = (0..64).map(|i| if (i % 8 >= 4) == right { 255 } else { 0 }).collect();
    Picture::from(pixels).with_alpha(alpha).unwrap()
}

/// Each of these masks is made by people who want the right half redrawn, or, the last but one, the left.
#[test]
fn a_mask_with_transparency_marks_by_it() {
    let flat = |value: u8| Pixels::new(SHAPE, vec![value; SHAPE.n_values()]).unwrap();
    // The border of a brush is half transparent, and so half white.
    let mut soft = flat(0).into_bytes();
    soft[3 * 4..3 * 5].fill(40);
    let soft_alpha = (0..64)
        .map(|i| {
            if i == 4 {
                215
            } else if i % 8 >= 4 {
                255
            } else {
                0
            }
        })
        .collect();
    let soft = Picture::from(Pixels::new(SHAPE, soft).unwrap()).with_alpha(soft_alpha).unwrap();
    let model = model();
    for (mask, asked, found, right) in [
        (half_opaque(flat(255), true), MaskMarks::Auto, Some(MaskMarks::Opaque), true),
        (half_opaque(flat(0), true), MaskMarks::Auto, Some(MaskMarks::Opaque), true),
        (soft, MaskMarks::Auto, Some(MaskMarks::Opaque), true),
        (half_opaque(photo(8, 8), false), MaskMarks::Auto, Some(MaskMarks::Transparent), true),
        (half_opaque(flat(9), false), MaskMarks::Transparent, None, true),
        (half_opaque(photo(8, 8), true), MaskMarks::Opaque, None, true),
        (mask(8, 8).into(), MaskMarks::Auto, Some(MaskMarks::White), false),
        (half_opaque(mask(8, 8), true), MaskMarks::White, None, false),
    ] {
        let job = Job::inpaint(photo(8, 8), mask.clone()).with_marks(asked);
        let edits = model.edit(job).levels(vec![2.0, 0.4]).definite().unwrap();
        assert_eq!(edits.found_marks(), found, "{mask:?}");
        let made = edits.run_with(&mut ()).unwrap().results.remove(0);
        for (i, (now, before)) in made.bytes().chunks(3).zip(photo(8, 8).bytes().chunks(3)).enumerate() {
            assert_eq!(now != before, (i % 8 >= 4) == right, "{asked} found {found:?}, pixel {i}");
        }
        // What was found stands in the record, so that it is not found again.
        let Job::Inpaint { marks, .. } = edits.record().job else { panic!("another job") };
        assert_eq!(marks, found.unwrap_or(asked));
    }
}
