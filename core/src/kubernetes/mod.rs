//! Kubernetes admission: the images in an AdmissionReview, and the response made from verdicts about them.
//!
//! Both are here and not in a host, so that a replayed decision covers them.

mod images;
mod respond;
mod review;

pub use images::{Images, Use};
pub use respond::{ImageVerdict, Settings, TEMPLATE_ANNOTATION, WhenUnknown, respond};
pub(crate) use review::is_label;
pub use review::{BREAK_GLASS, Disposition, Review, ReviewError};
