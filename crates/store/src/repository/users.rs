//! People of the back office.

use super::read::parse;
use crate::{Batch, Driver, QueryError, Row};
use domain::{CompanyId, Timestamp, TransactionId};

/// What a person may do in the back office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    Owner,
    /// Everything but ownership.
    Admin,
    /// Watch, search, fix.
    Operator,
    /// Decide holds.
    Approver,
    /// Credentials, webhooks, logs.
    Developer,
    /// Look.
    Viewer,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 6] = [Self::Owner, Self::Admin, Self::Operator, Self::Approver, Self::Developer, Self::Viewer];

    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// A person of the back office.
#[derive(Clone)]
pub struct User {
    /// Their company.
    pub company_id: CompanyId,
    /// 24 hex digits.
    pub id: String,
    /// Lower case; the login.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// argon2id, PHC text. Not shown.
    pub password_hash: String,
    /// What they may do.
    pub role: Role,
    /// When they were added.
    pub created_at: Timestamp,
    /// When anything of them last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// A new id from the time and six random bytes.
    pub fn new_id(now: Timestamp, random: [u8; 6]) -> String {
        TransactionId::new(now, random).to_string()
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("company_id", &self.company_id).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The label of the insertion that fails when the email is in use.
pub const EMAIL_IN_USE: &str = "user";

macro_rules! columns {
    () => {
        "company_id, id, email, first_name, last_name, password_hash, role, created_at, updated_at"
    };
}

/// The person is there.
const THERE_GUARD: &str = "person is there";
const INSERT: &str = concat!("INSERT INTO users (", columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
const UPDATE: &str = "UPDATE users SET first_name = ?3, last_name = ?4, password_hash = ?5, role = ?6, updated_at = ?7 \
                      WHERE company_id = ?1 AND id = ?2";
const BY_EMAIL: &str = concat!("SELECT ", columns!(), " FROM users WHERE email = ?1");
const LIST: &str = concat!("SELECT ", columns!(), " FROM users WHERE company_id = ?1 ORDER BY created_at, id");

/// Adds a person; fails the batch with [`EMAIL_IN_USE`] when the email is taken, in whatever company.
pub fn insert(batch: &mut Batch, user: &User) {
    let values = vec![
        user.company_id.to_string().into(),
        (&*user.id).into(),
        (&*user.email).into(),
        (&*user.first_name).into(),
        (&*user.last_name).into(),
        (&*user.password_hash).into(),
        user.role.as_str().into(),
        user.created_at.millis().into(),
        user.updated_at.millis().into(),
    ];
    batch.insert(EMAIL_IN_USE, INSERT, values);
}

/// Changes a person: names, password, role.
pub fn update(batch: &mut Batch, user: &User) {
    let values = vec![
        user.company_id.to_string().into(),
        (&*user.id).into(),
        (&*user.first_name).into(),
        (&*user.last_name).into(),
        (&*user.password_hash).into(),
        user.role.as_str().into(),
        user.updated_at.millis().into(),
    ];
    batch.guard(THERE_GUARD, UPDATE, values);
}

/// The person who logs in with this email (lower case), of whatever company: a login names no company.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn by_email(db: &dyn Driver, email: &str) -> Result<Option<User>, QueryError> {
    let rows = db.query(BY_EMAIL, vec![email.into()]).await?;
    rows.first().map(user).transpose()
}

/// Everybody of a company, in the order in which they were added.
///
/// # Errors
/// [`QueryError`] when the store does not answer.
pub async fn list(db: &dyn Driver, company: CompanyId) -> Result<Vec<User>, QueryError> {
    let rows = db.query(LIST, vec![company.to_string().into()]).await?;
    rows.iter().map(user).collect()
}

fn user(row: &Row) -> Result<User, QueryError> {
    Ok(User {
        company_id: parse(row, 0)?,
        id: row.text(1)?,
        email: row.text(2)?,
        first_name: row.text(3)?,
        last_name: row.text(4)?,
        password_hash: row.text(5)?,
        role: parse(row, 6)?,
        created_at: Timestamp::from_millis(row.int(7)?),
        updated_at: Timestamp::from_millis(row.int(8)?),
    })
}
