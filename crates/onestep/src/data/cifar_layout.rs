/// One way of publishing: which files hold images, and how.
pub(super) struct Layout {
    pub(super) train: &'static [&'static str],
    pub(super) test: &'static str,
    pub(super) meta: &'static str,
    /// Bytes before the pixels of a binary record, the last of them the label; 0 means pickles.
    pub(super) label_bytes: usize,
    /// The keys of labels and class names in pickles.
    pub(super) keys: [&'static str; 2],
}

const LAYOUTS: [Layout; 4] = [
    Layout {
        train: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        test: "test_batch.bin",
        meta: "batches.meta.txt",
        label_bytes: 1,
        keys: ["", ""],
    },
    Layout {
        train: &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
        test: "test_batch",
        meta: "batches.meta",
        label_bytes: 0,
        keys: ["labels", "label_names"],
    },
    Layout {
        train: &["train.bin"],
        test: "test.bin",
        meta: "fine_label_names.txt",
        // The coarse label comes first.
        label_bytes: 2,
        keys: ["", ""],
    },
    Layout {
        train: &["train"],
        test: "test",
        meta: "meta",
        label_bytes: 0,
        keys: ["fine_labels", "fine_label_names"],
    },
];

impl Layout {
    /// The layout that files of these names belong to.
    pub(super) fn find(has_file: impl Fn(&str) -> bool) -> Option<&'static Self> {
        LAYOUTS.iter().find(|layout| has_file(layout.train[0]) || has_file(layout.test))
    }

    pub(super) fn is_cifar_10(&self) -> bool {
        self.train.len() > 1
    }
}

/// All names that are looked for.
pub(super) fn known_names() -> impl Iterator<Item = &'static str> {
    LAYOUTS.iter().flat_map(|layout| layout.train.iter().copied().chain([layout.test, layout.meta]))
}
