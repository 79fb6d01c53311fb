#!/bin/sh
# Makes the certificates of this folder anew. Takes openssl 3. The keys are thrown away.
set -eu
cd "$(dirname "$0")"
keys=$(mktemp -d)
trap 'rm -rf "$keys"' EXIT
new() { openssl ecparam -name prime256v1 -genkey -noout -out "$keys/$1.key"; }
self() { # name, subject
    new "$1"
    openssl req -x509 -new -key "$keys/$1.key" -sha256 -days 36500 -subj "$2" -out "$1.pem" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}
issue() { # name, subject, issuer, extensions, hash
    new "$1"
    openssl req -new -key "$keys/$1.key" -subj "$2" -out "$keys/$1.csr"
    printf '%b' "$4" >"$keys/$1.ext"
    openssl x509 -req -in "$keys/$1.csr" -CA "$3.pem" -CAkey "$keys/$3.key" -CAcreateserial -CAserial "$keys/serial" \
        -days 36500 "-$5" -extfile "$keys/$1.ext" -out "$1.pem"
}
leaf='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
self ca '/O=Bulla test/CN=Authority'
self twin-ca '/O=Bulla test/CN=Authority'
self other-ca '/O=Bulla test/CN=Other authority'
issue below '/O=Bulla test/CN=Below' ca 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n' sha256
issue leaf /CN=host.example\\/app below "$leaf"'extendedKeyUsage=codeSigning\n' sha256
issue below-leaf /CN=host.example\\/app leaf "$leaf" sha256
issue mail-leaf /CN=host.example\\/app below "$leaf"'extendedKeyUsage=emailProtection\n' sha256
issue sha1-leaf /CN=host.example\\/app below "$leaf" sha1
issue star-leaf '/CN=host.example\/*' below "$leaf" sha256
issue two-names-leaf /CN=host.example\\/app/CN=host.example\\/other below "$leaf" sha256
cat leaf.pem below.pem >leaf-chain.pem
rm leaf.pem below.pem
