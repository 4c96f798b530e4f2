//! A cursor over bytes that runs out instead of panicking.

/// Reads numbers off the front of a slice: big-endian, or little-endian by the methods that say so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, len: bytes.len() }
    }

    /// How many bytes have been read.
    pub(crate) const fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.chunk::<1>().map(|[b]| b)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.chunk().map(i16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.chunk().map(i32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }

    pub(crate) fn i8(&mut self) -> Option<i8> {
        self.chunk::<1>().map(i8::from_le_bytes)
    }

    pub(crate) fn u16_le(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_le_bytes)
    }

    pub(crate) fn i16_le(&mut self) -> Option<i16> {
        self.chunk().map(i16::from_le_bytes)
    }

    pub(crate) fn u32_le(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    pub(crate) fn i32_le(&mut self) -> Option<i32> {
        self.chunk().map(i32::from_le_bytes)
    }

    pub(crate) fn f32_le(&mut self) -> Option<f32> {
        self.chunk().map(f32::from_le_bytes)
    }

    pub(crate) fn f64_le(&mut self) -> Option<f64> {
        self.chunk().map(f64::from_le_bytes)
    }

    pub(crate) fn f32(&mut self) -> Option<f32> {
        self.chunk().map(f32::from_be_bytes)
    }
}
