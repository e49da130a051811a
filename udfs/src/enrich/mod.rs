//! Functions over one value of a request: what kind of program asks, for what kind of page, from which
//! network and country.
//!
//! [`Enrichment`] holds what they read besides: files of the user's, opened when a query first asks for
//! them. [`register`] adds the functions to a session.

mod calls;
mod documentation;
mod function;
mod learn;
#[cfg(test)]
mod mmdb_fixture;
mod networks;
mod path_patterns;
mod paths;
mod places;
mod sources;
mod texts;
mod user_agents;

pub use function::register;
pub use networks::{PrefixLengths, client_network};
pub use path_patterns::PathPatternError;
pub use places::{PlaceKind, PlacesError};
pub use sources::{Enrichment, EnrichmentError, EnrichmentFiles};
pub use user_agents::{PatternError, UserAgentClass};
