//! Writes the schema of policy documents into `policies/schema`.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/schema");
    fs::create_dir_all(&folder)?;
    bulla_tests::schema::files().iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}
