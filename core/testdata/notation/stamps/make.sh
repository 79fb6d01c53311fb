#!/bin/sh
# Timestamps for the vectors of tests/src/make/notation_stamped.rs, and certificates for ../p256.key: `sh make.sh` in this folder, with
# OpenSSL 3. What is stamped comes from there: `cargo run -p bulla-tests --bin vectors -- --questions DIR`, whose files lie here.
# Keys of authorities are thrown away, so that a new run changes all files but these. Tokens state the time of the run.
set -eu
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
: > "$folder/index"; echo unique_subject=no > "$folder/index.attr"; echo 3001 > "$folder/serial"; echo 01 > "$folder/crlnumber"
echo 01 > "$folder/tsa.serial"
cat > "$folder/conf" <<END
[ca]
default_ca = here
[here]
database = $folder/index
serial = $folder/serial
crlnumber = $folder/crlnumber
new_certs_dir = $folder
default_md = sha256
policy = any
[any]
countryName = supplied
stateOrProvinceName = supplied
organizationName = supplied
organizationalUnitName = optional
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[signer]
keyUsage = critical, digitalSignature
extendedKeyUsage = codeSigning
[tsa]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[revocable]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
crlDistributionPoints = URI:http://pki.example/stamps.crl
[lax]
keyUsage = critical, digitalSignature
extendedKeyUsage = timeStamping
[req]
distinguished_name = name
[name]
END
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$folder/$1.key"; }
# name, subject, extensions, begin, end, key, more
issue() {
    openssl req -config "$folder/conf" -new -key "$6" -subj "$2" -out "$folder/csr"
    name=$1 extensions=$3 begin=$4 end=$5
    shift 6
    openssl ca -batch -notext -config "$folder/conf" -extensions "$extensions" -startdate "$begin" -enddate "$end" \
        -in "$folder/csr" -out "$name" "$@" 2> /dev/null
}
from=20260101000000Z until=20460101000000Z
who='/C=US/ST=WA/O=Bulla Test'
issue short.pem "$who/CN=short" signer $from 20270101000000Z ../p256.key -selfsign -keyfile ../p256.key
issue past.pem "$who/CN=past" signer $from 20260630000000Z ../p256.key -selfsign -keyfile ../p256.key
issue two-units.pem "$who/OU=one/OU=two/CN=units" signer $from $until ../p256.key -selfsign -keyfile ../p256.key
key root
issue root.pem "$who/CN=stamps" root $from $until "$folder/root.key" -selfsign -keyfile "$folder/root.key"
for leaf in tsa revocable lax; do
    key $leaf
    issue "$folder/$leaf.pem" "$who/CN=$leaf" $leaf $from $until "$folder/$leaf.key" -keyfile "$folder/root.key" -cert root.pem
done
# signer, question, answer
stamp() {
    cat > "$folder/tsa.conf" <<END
[tsa]
default_tsa = own
[own]
serial = $folder/tsa.serial
crypto_device = builtin
signer_cert = $folder/$1.pem
certs = root.pem
signer_key = $folder/$1.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
END
    openssl ts -reply -config "$folder/tsa.conf" -queryfile "$2" -out "$3"
}
# signer, data, token
token() {
    openssl ts -query -data "$2" -sha256 -cert -no_nonce -out "$folder/query"
    stamp "$1" "$folder/query" "$folder/reply"
    openssl ts -reply -in "$folder/reply" -token_out -out "$3"
}
token tsa signature.bin good.der
echo another > "$folder/another"
token tsa "$folder/another" other.der
token revocable signature.bin revocable.der
cp "$folder/reply" whole.tsr
# The same statement, signed by a certificate whose purpose is not critical: `openssl ts` would not.
openssl cms -verify -noverify -inform DER -in good.der -certfile root.pem -out "$folder/statement" -binary 2> /dev/null
openssl cms -sign -binary -nodetach -cades -md sha256 -econtent_type 1.2.840.113549.1.9.16.1.4 -outform DER \
    -signer "$folder/lax.pem" -inkey "$folder/lax.key" -certfile root.pem -in "$folder/statement" -out lax.der
crl() { openssl ca -config "$folder/conf" -keyfile "$folder/root.key" -cert root.pem -gencrl -crl_nextupdate $until -out "$folder/crl"; openssl crl -in "$folder/crl" -outform DER -out "$1"; }
crl empty.crl
openssl ca -batch -config "$folder/conf" -keyfile "$folder/root.key" -cert root.pem -revoke "$folder/revocable.pem" -crl_reason keyCompromise
crl revoked.crl
stamp tsa request.tsq response.tsr
stamp tsa other.tsq other.tsr
