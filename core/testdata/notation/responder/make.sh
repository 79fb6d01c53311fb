#!/bin/sh
# Makes a leaf for ../p256.key that names an OCSP responder, and answers about it: `sh make.sh` in this folder, with OpenSSL 3.
# The authority's key is thrown away, so that a new run changes all files.
set -eu
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
openssl ecparam -name prime256v1 -genkey -noout -out "$folder/ca.key"
: > "$folder/index"; echo unique_subject=no > "$folder/index.attr"; echo 1001 > "$folder/serial"
cat > "$folder/conf" <<END
[ca]
default_ca = here
[here]
database = $folder/index
serial = $folder/serial
new_certs_dir = $folder
default_md = sha256
policy = any
[any]
countryName = supplied
stateOrProvinceName = supplied
organizationName = supplied
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
[leaf]
keyUsage = critical, digitalSignature
extendedKeyUsage = codeSigning
authorityInfoAccess = OCSP;URI:http://ocsp.example/
[req]
distinguished_name = name
[name]
END
request() { openssl req -config "$folder/conf" -new -key "$1" -subj "$2" -out "$folder/csr"; }
dates="-startdate 20260101000000Z -enddate 20460101000000Z"
request "$folder/ca.key" '/C=US/ST=WA/O=Bulla Test/CN=responder'
openssl ca -batch -notext -config "$folder/conf" -selfsign -keyfile "$folder/ca.key" $dates -extensions root -in "$folder/csr" -out authority.pem
request ../p256.key '/C=US/ST=WA/O=Bulla Test/CN=ocsp'
openssl ca -batch -notext -config "$folder/conf" -keyfile "$folder/ca.key" -cert authority.pem $dates -extensions leaf -in "$folder/csr" -out leaf.pem
answer() {
    openssl ocsp -index "$folder/index" -CA authority.pem -rsigner authority.pem -rkey "$folder/ca.key" -ndays 7000 \
        -issuer authority.pem -cert leaf.pem -no_nonce -resp_no_certs -noverify -respout "$1.ocsp"
}
answer good
openssl ca -batch -config "$folder/conf" -keyfile "$folder/ca.key" -cert authority.pem -revoke leaf.pem -crl_reason keyCompromise
answer revoked
grep -v CN=ocsp "$folder/index" > "$folder/less" || true
mv "$folder/less" "$folder/index"
answer unknown
openssl ocsp -issuer authority.pem -cert leaf.pem -no_nonce -reqout request.der
