//! The people who may be signed in at the shop, and what it knows of them.

/// A demo customer: the claims of the user token, and what forms are prefilled with.
#[derive(Debug)]
pub(crate) struct Customer {
    pub(crate) user_id: &'static str,
    pub(crate) email: &'static str,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: &'static str,
    pub(crate) full_name: &'static str,
    pub(crate) phone: &'static str,
    /// ISO 3166-1 alpha-2.
    pub(crate) country: &'static str,
    /// The country's name, for people.
    pub(crate) place: &'static str,
    pub(crate) gender: &'static str,
    /// `YYYY-MM-DD`.
    pub(crate) born: &'static str,
    /// Where the customer's browser is: an address of the ranges kept for documents (RFC 5737).
    pub(crate) ip: &'static str,
    pub(crate) street: &'static str,
    pub(crate) city: &'static str,
    pub(crate) state: &'static str,
    pub(crate) postal_code: &'static str,
}

/// One for each of the providers' markets.
pub(crate) static CUSTOMERS: &[Customer] = &[
    Customer {
        user_id: "demo-clara",
        email: "clara.lindner@example.com",
        first_name: "Clara",
        last_name: "Lindner",
        full_name: "Clara Lindner",
        phone: "+49 30 5550 0142",
        country: "DE",
        place: "Germany",
        gender: "female",
        born: "1988-04-17",
        ip: "198.51.100.17",
        street: "Hauptstr. 1",
        city: "Berlin",
        state: "BE",
        postal_code: "10115",
    },
    Customer {
        user_id: "demo-noah",
        email: "noah.tremblay@example.com",
        first_name: "Noah",
        last_name: "Tremblay",
        full_name: "Noah Tremblay",
        phone: "14165550142",
        country: "CA",
        place: "Canada",
        gender: "male",
        born: "1991-09-30",
        ip: "203.0.113.42",
        street: "100 Queen St W",
        city: "Toronto",
        state: "ON",
        postal_code: "M5H 2N2",
    },
    Customer {
        user_id: "demo-aino",
        email: "aino.virtanen@example.com",
        first_name: "Aino",
        last_name: "Virtanen",
        full_name: "Aino Virtanen",
        phone: "+358 40 555 0142",
        country: "FI",
        place: "Finland",
        gender: "female",
        born: "1994-12-06",
        ip: "198.51.100.58",
        street: "Mannerheimintie 10",
        city: "Helsinki",
        state: "Uusimaa",
        postal_code: "00100",
    },
    Customer {
        user_id: "demo-camila",
        email: "camila.rojas@example.com",
        first_name: "Camila",
        last_name: "Rojas",
        full_name: "Camila Rojas",
        phone: "56912345678",
        country: "CL",
        place: "Chile",
        gender: "female",
        born: "1990-01-15",
        ip: "203.0.113.56",
        street: "Av. Uno 1",
        city: "Santiago",
        state: "RM",
        postal_code: "8320000",
    },
    Customer {
        user_id: "demo-luis",
        email: "luis.quispe@example.com",
        first_name: "Luis",
        last_name: "Quispe",
        full_name: "Luis Quispe",
        phone: "51912345678",
        country: "PE",
        place: "Peru",
        gender: "male",
        born: "1985-07-28",
        ip: "203.0.113.51",
        street: "Av. Arequipa 100",
        city: "Lima",
        state: "LIM",
        postal_code: "15046",
    },
    Customer {
        user_id: "demo-valeria",
        email: "valeria.torres@example.com",
        first_name: "Valeria",
        last_name: "Torres",
        full_name: "Valeria Torres",
        phone: "525512345678",
        country: "MX",
        place: "Mexico",
        gender: "female",
        born: "1992-11-02",
        ip: "203.0.113.52",
        street: "Av. Reforma 1",
        city: "Ciudad de México",
        state: "CDMX",
        postal_code: "06600",
    },
];

/// The profile claims of a user token that a form may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Email,
    FirstName,
    LastName,
    Phone,
    CountryCode,
}

impl Claim {
    /// The customer's value.
    pub(crate) fn of(self, customer: &Customer) -> &'static str {
        match self {
            Claim::Email => customer.email,
            Claim::FirstName => customer.first_name,
            Claim::LastName => customer.last_name,
            Claim::Phone => customer.phone,
            Claim::CountryCode => customer.country,
        }
    }
}
