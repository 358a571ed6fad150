//! Messages of protobuf, as far as ONNX files need them.

/// How a field's value is stored.
#[derive(Debug, Clone, Copy)]
enum Wire {
    Varint = 0,
    Length = 2,
    Fixed32 = 5,
}

/// A message while it is put together: fields one after the other, in any order.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// With an integer.
    pub(super) fn integer(mut self, field: u32, value: i64) -> Self {
        self.key(field, Wire::Varint);
        // Negative numbers are the largest of 64 bits.
        self.varint(value as u64);
        self
    }

    /// With integers, each a field of its own.
    pub(super) fn integers(self, field: u32, values: &[i64]) -> Self {
        values.iter().fold(self, |message, &value| message.integer(field, value))
    }

    /// With a number.
    pub(super) fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, Wire::Fixed32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// With a text.
    pub(super) fn text(mut self, field: u32, text: &str) -> Self {
        self.opening(field, text.len() as u64);
        self.0.extend(text.as_bytes());
        self
    }

    /// With a message.
    pub(super) fn message(mut self, field: u32, message: &Self) -> Self {
        self.opening(field, message.0.len() as u64);
        self.0.extend(&message.0);
        self
    }

    /// With the beginning of a field of so many bytes, which come next.
    pub(super) fn opened(mut self, field: u32, length: u64) -> Self {
        self.opening(field, length);
        self
    }

    fn opening(&mut self, field: u32, length: u64) {
        self.key(field, Wire::Length);
        self.varint(length);
    }

    fn key(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from(field) << 3 | wire as u64);
    }

    /// Seven bits a byte, the low ones first; all bytes but the last have the highest bit.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of protobuf's own description of its encoding, and the largest and a negative integer.
    #[test]
    fn messages_are_encoded_as_published() {
        let bytes = |message: Message| message.bytes().to_vec();
        assert_eq!(bytes(Message::default().integer(1, 150)), [0x08, 0x96, 0x01]);
        assert_eq!(
            bytes(Message::default().text(2, "testing")),
            [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]
        );
        let inner = Message::default().integer(1, 150);
        assert_eq!(bytes(Message::default().message(3, &inner)), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let minus_two = [&[0x08, 0xfe][..], &[0xff; 8], &[0x01]].concat();
        assert_eq!(bytes(Message::default().integer(1, -2)), minus_two);
        assert_eq!(bytes(Message::default().float(16, 1.0)), [0x85, 0x01, 0, 0, 0x80, 0x3f]);
        assert_eq!(bytes(Message::default().opened(2, 300)), [0x12, 0xac, 0x02]);
    }
}
