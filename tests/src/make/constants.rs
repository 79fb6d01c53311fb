//! Bytes that were made once, with openssl: what the module itself does not make.

/// An RSA key of 2,048 bits (`openssl genrsa 2048`).
pub(super) const RSA_2048: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqrtzN3lBggJn+IxjSilK\n\
DwlCt+MK0MG0AImDWdOCa8yoKbWERf9dCP1R1ImSbNY3jx25f5iUXeubDYU6mB0E\n\
jkGzw/P3NX3/E/jHEnJW1vvtkrg2/Zjypo+ZAWHfAsfvH6FeZXtqneWI/yo4m9+R\n\
3WJmOgtfNwIquSR6wjyS0Dd/VAslSaFY6vJPX6uy8DgjnWsDtlRzjcj+QG4XDzPd\n\
ckF2hkAMcdZlTevIAhNWENLhV817BkyN2kEZq2PMw/i4X6195uAshTMtZ/lYOzU+\n\
eWwthTix1Y6Nc8QgoNhbgkok5vnRLXx0PuW+ty8gxaunDVJ6PhoqfPY8svBixyO8\n\
jQIDAQAB\n\
-----END PUBLIC KEY-----\n";

/// Its signature over [`super::scene::payload`] for the image of the vectors (`openssl dgst -sha256 -sign`), base64.
pub(super) const RSA_2048_SIGNATURE: &str = "\
YgxBpbareXfbnLBhQQ2NxRyvkCX3NJQ/y0I3fhLw/EsjngvypBqNtG6i9diiIkTS9HdaCFr0INpcOezASl7qKfI5trg0XZqh7vKx\
uA7Iki4/m8RC+DxRJosqiVaPYqGNFFpbvICw3LVFKd7KwcWOm1tzCcnMx5Yn1paidsN125khvEVFBpcQsDpsecIxbgSoJNoMqvD4\
lZyYI1LVOLolIQemLjjIuwB04qlLGnRnzuqvKJ+Df6c7/pcSBw6+DHovJ5s5uxQSs8AJGDdZMYThda7tabwZQL4CKAiJAtOMuBEN\
+Drvyn3Xt1Foq3qJAfGFFz1m2uhdWZ2wCqMzqUYuzw==";

/// Another RSA key of 2,048 bits, whose private half signed once and is gone.
pub(super) const RSA_2048_DSSE: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA8HpCT/tXj8qWug6fk3/h\n\
9n3kxmINi9suQH8wmXI6dUJGCiw84/KsMN2N8w9eRMiNcVVH59yPKUMykzBL3P1t\n\
IpGcFUUG2SlxyiDBbwGkynRXuOQcwXyNPG/1b649ks+Dk5Y3FHYqt3vncAKm521Y\n\
eiP4zectI5yGaKQtrGFzGAybRQxe1pxEsBnk4nZZmEGJC6fKiW6+kruaDyGvwzTW\n\
DsyHbA2uGwyApYMF1AzOZ/sacmrRkXc5FZ2/v8ZBgaiAZC4U5QfCqByQKNf0gwwB\n\
yjcUWovz0HvZlRjpARnN705AcHcsQq3zDzo/UN3Ul7cyfjNiZetMyvDWS6x9HQWJ\n\
WQIDAQAB\n\
-----END PUBLIC KEY-----\n";

/// Its signature over the encoding of [`super::dsse::statement`] (`openssl dgst -sha256 -sign`), base64.
pub(super) const RSA_2048_DSSE_SIGNATURE: &str = "\
4N9UxdlD0vnt7HpWsFc6ENUEEEiLqVJBM1KR6E85bKOfmtOW12lh2wMLfjwQsYCOaOys8rCClcmO0eemIzevs7XF9uhlVmhjkVGu\
7bjEyet+kzZtUpMATVNeUmVMWtoa+cdW7olcqxPUxhY2n+vPGxbgI1dNZpu9O60DKuDJSBtS/L1J0BB50jkAOBUMqE0mUjkkRags\
lAEsx0SOcCb0yjfpW61w40cl0mDFVtD0n7j1eECOfxkmwPOgeo9fClL0fXh9SQahLtqk0VaAPM220huQIC3qWzaAfGn9dpCmLPB9\
4n6PopJ7511pZXjdFr4PLOcorBA+82+pKy1Fn0ExVw==";

/// An RSA key of 1,024 bits: too short since 2013 (NIST SP 800-131A).
pub(super) const RSA_1024: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDD3T5G+qufbCSup7FILfvKI/ni\n\
d1EbnJZ1o5MKcwK0OOJMkG6oH8yte5rI4z0dsvM0zgmCmSQHsEb9mQhdin5lImp8\n\
YmqDHXe1alZYPXIfE735K7o6+wyg8ajwVkgqBL78zISqsAIZej4FbGRGrIQMFbrt\n\
6d0AvJe7T6vBIbmyWwIDAQAB\n\
-----END PUBLIC KEY-----\n";

/// A key on secp256k1, a curve that no image is signed with.
pub(super) const SECP256K1: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEQt8yTHud6KzhicnsBPFEJbay3VxEkYAP\n\
YrPjRFSIoaL/sxaEfeGePRpyhvyHzZ6cn5HwRIjtv8Eh3uH0P8hc9A==\n\
-----END PUBLIC KEY-----\n";

/// A self-signed certificate with a P-256 key.
pub(super) const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBhjCCASugAwIBAgIUX+zjcMER7HIWt6S1ErLI0FOps1wwCgYIKoZIzj0EAwIw\n\
FzEVMBMGA1UEAwwMYnVsbGEgdmVjdG9yMCAXDTI2MTEyMTE5NDQwMVoYDzIxMjYx\n\
MDI4MTk0NDAxWjAXMRUwEwYDVQQDDAxidWxsYSB2ZWN0b3IwWTATBgcqhkjOPQIB\n\
BggqhkjOPQMBBwNCAAT+LuuGPMCYcowvKaMCc+zJpDIIm1T/jwXy0tPhWNOht61K\n\
GQmr8s192AIwg94Ullgjs5a5PosDv3vMA8UTCGeQo1MwUTAdBgNVHQ4EFgQURBJj\n\
QY0w08k9sWBOljeSPCF1jCEwHwYDVR0jBBgwFoAURBJjQY0w08k9sWBOljeSPCF1\n\
jCEwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA0IPf4j7oGz4+\n\
Juv0fNDHMaSeRtjMtJNwLEKOwIe66NICIQDNlvkZOIGpw3VHXT9/lw7jhNmPrIBx\n\
9vqeuw/YRKEtWg==\n\
-----END CERTIFICATE-----\n";
