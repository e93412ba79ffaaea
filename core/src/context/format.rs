//! What a family changes about contexts.

use super::descriptor::DescriptorFormat;
use super::tables::RegisterTable;
use crate::gt::EngineClass;
use crate::ring::command::AuxRegisters;

/// A family's contexts (engines sheet §6).
#[derive(Debug)]
pub struct LrcFormat {
    /// Pages of register and engine state of render contexts.
    pub render_pages: u32,
    /// The same of compute contexts. All other classes have one page.
    pub compute_pages: u32,
    /// Registers of render contexts.
    pub render_table: &'static RegisterTable,
    /// Registers of copy contexts.
    pub copy_table: &'static RegisterTable,
    /// Registers of all other contexts.
    pub other_table: &'static RegisterTable,
    /// Whether a context names its address space by an id.
    pub has_asid: bool,
    /// Whether the context timestamp has 64 bits.
    pub wide_timestamp: bool,
    /// Whether a restore must load the timestamp by hand (workaround 16010904313).
    pub restores_timestamp: bool,
    /// Value a restore of a render context puts into debug mode register 2 (workaround 18022495364).
    pub render_debug_mode: Option<u32>,
    /// Registers of the auxiliary compression table, where each restore must invalidate it.
    pub aux: Option<AuxRegisters>,
    /// Layout of descriptors.
    pub descriptor: DescriptorFormat,
}

impl LrcFormat {
    /// Pages of register and engine state of a class.
    #[must_use]
    pub const fn image_pages(&self, class: EngineClass) -> u32 {
        match class {
            EngineClass::Render => self.render_pages,
            EngineClass::Compute => self.compute_pages,
            EngineClass::Copy | EngineClass::VideoDecode | EngineClass::VideoEnhance | EngineClass::Gsc => 1,
        }
    }

    /// Registers of a class's image.
    #[must_use]
    pub const fn table(&self, class: EngineClass) -> &'static RegisterTable {
        match class {
            EngineClass::Render => self.render_table,
            EngineClass::Copy => self.copy_table,
            EngineClass::Compute | EngineClass::VideoDecode | EngineClass::VideoEnhance | EngineClass::Gsc => {
                self.other_table
            }
        }
    }

    /// The register of a class's auxiliary table, if restores of the class must invalidate it.
    #[must_use]
    pub fn aux_register(&self, class: EngineClass) -> Option<u32> {
        self.aux.and_then(|registers| registers.of(class))
    }

    /// Whether the timestamp of a class is loaded in the middle of a restore; other classes do it at the end.
    #[must_use]
    pub const fn restores_timestamp_early(&self, class: EngineClass) -> bool {
        self.restores_timestamp && matches!(class, EngineClass::Render | EngineClass::Compute)
    }

    /// Whether a class needs an indirect context batch (engines sheet §6.6).
    #[must_use]
    pub fn has_indirect_batch(&self, class: EngineClass) -> bool {
        self.restores_timestamp_early(class) || self.aux_register(class).is_some()
    }
}
