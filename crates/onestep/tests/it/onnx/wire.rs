//! Reading messages of protobuf, apart from the library's way of writing them.

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    Integer(i64),
    Float(f32),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    pub fn integer(self) -> i64 {
        match self {
            Self::Integer(value) => value,
            other => panic!("{other:?} is no integer"),
        }
    }

    pub fn float(self) -> f64 {
        match self {
            Self::Float(value) => value.into(),
            other => panic!("{other:?} is no number"),
        }
    }

    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("{other:?} has no bytes"),
        }
    }

    pub fn text(self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("text")
    }

    pub fn message(self) -> Vec<(u64, Field<'a>)> {
        message(self.bytes())
    }
}

/// The fields of a message in their order, each with its number.
pub fn message(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Integer(varint(&mut bytes) as i64),
            2 => {
                let length = varint(&mut bytes) as usize;
                Field::Bytes(take(&mut bytes, length))
            }
            5 => Field::Float(f32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap())),
            wire => panic!("no such file has fields of type {wire}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(n);
    *bytes = rest;
    taken
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}
