module fixtures

go 1.24

require (
	github.com/notaryproject/notation-core-go v1.3.0
	github.com/notaryproject/notation-go v1.3.2
	golang.org/x/crypto v0.37.0
)
