//! Every provider has one line here.

use crate::Provider;

static ALL: &[&dyn Provider] = &[
    // In the order of the published list; a test compares.
    &crate::forumpay::ForumPay,
    &crate::gigadat::Gigadat,
    &crate::worldpay::Worldpay,
    &crate::trust::Trust,
    &crate::cleo::Cleo,
    &crate::payone::PayOne,
    &crate::neosurf::Neosurf,
    &crate::flexepin::Flexepin,
    &crate::brite::Brite,
    &crate::emerchantpay::EMerchantPay,
];

/// All providers, in the order of the published list.
pub fn all() -> &'static [&'static dyn Provider] {
    ALL
}

/// The provider of a `pspType`.
pub fn by_psp_type(psp_type: &str) -> Option<&'static dyn Provider> {
    ALL.iter().copied().find(|provider| provider.descriptor().psp_type == psp_type)
}

/// The provider of a folder name (`payone`), as callback addresses have it.
pub fn by_name(name: &str) -> Option<&'static dyn Provider> {
    ALL.iter().copied().find(|provider| provider.descriptor().name == name)
}
