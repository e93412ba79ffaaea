//! What the firmware has hold of: the engines of its GT, and the device around them.

use crate::cs::Streamer;
use crate::shared::Shared;

/// One tile, as the GuC of one of its GTs sees it. The tile is the one that `shared` looks at.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) shared: &'a mut Shared,
    /// All engines of the tile.
    engines: &'a mut [Streamer],
    /// It is that of the media GT.
    media: bool,
}

impl<'a> Machine<'a> {
    pub(crate) const fn new(shared: &'a mut Shared, engines: &'a mut [Streamer], media: bool) -> Self {
        Self { shared, engines, media }
    }

    /// The engines of this GT.
    pub(crate) fn engines(&mut self) -> impl Iterator<Item = &mut Streamer> {
        let (split, media) = (self.shared.platform.media_gt, self.media);
        self.engines.iter_mut().filter(move |engine| !split || engine.engine().0.is_media() == media)
    }

    /// All engines of the tile, and the device around them.
    pub(crate) const fn parts(&mut self) -> (&mut [Streamer], &mut Shared) {
        (self.engines, self.shared)
    }

    /// Where there are two GTs: whether this is the one for media.
    pub(crate) fn split(&self) -> Option<bool> {
        self.shared.platform.media_gt.then_some(self.media)
    }
}
