//! The form in which role files are published together (RFC 7578; notary, storage/httpstore.go, `NewMultiPartMetaRequest`).

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::error::NotaryError;
use crate::names;

/// One part for each role: the field `files`, with the role as the name of the file.
pub(crate) fn form(files: &BTreeMap<String, Bytes>) -> Result<(Bytes, String), NotaryError> {
    let mut hash = Sha256::new();
    for (role, file) in files {
        hash.update(names::role(role)?);
        hash.update(file);
    }
    // Nobody writes the hash of a text into the same text.
    let boundary = hex::encode(hash.finalize());
    let mut body = Vec::new();
    for (role, file) in files {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((body.into(), format!("multipart/form-data; boundary={boundary}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::form;

    #[test]
    fn each_role_is_a_part_with_its_name() {
        let files = [("root", "{}"), ("targets/releases", "{\"a\":1}")];
        let files: BTreeMap<String, Bytes> =
            files.into_iter().map(|(role, file)| (role.to_owned(), Bytes::from_static(file.as_bytes()))).collect();
        let (body, media_type) = form(&files).expect("roles");
        let boundary = media_type.strip_prefix("multipart/form-data; boundary=").expect("a form");
        let text = String::from_utf8(body.to_vec()).expect("text");
        let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
        assert_eq!(parts.len(), 4);
        assert!(parts[1].contains("name=\"files\"; filename=\"root\"\r\n") && parts[1].ends_with("\r\n\r\n{}\r\n"));
        assert!(parts[2].contains("filename=\"targets/releases\"") && parts[2].ends_with("{\"a\":1}\r\n"));
        assert_eq!(parts[3], "--\r\n");
        let hostile = BTreeMap::from([("root\"\r\nx: y".to_owned(), Bytes::new())]);
        assert!(form(&hostile).is_err());
    }
}
