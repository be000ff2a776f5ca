//! The simulators on a real socket, driven as a platform, a browser and a tester would.

mod brite;
mod cleo;
mod controls;
mod emerchantpay;
mod emerchantpay_threeds;
mod flexepin;
mod forumpay;
mod forumpay_scenarios;
mod gigadat;
mod given_back;
mod neosurf;
mod neosurf_scenarios;
mod payone;
mod trust;
mod trust_scenarios;
mod world;
mod worldpay;
mod worldpay_scenarios;
