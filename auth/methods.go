package auth

import "slices"

// Methods of proving who one is, as amr names them (RFC 8176).
const (
	MethodPassword = "pwd"
	MethodCode     = "otp" // a one-time password or a recovery code
	MethodKey      = "pop" // a passkey
	MethodsTwo     = "mfa" // two factors, or a passkey that verified its user
)

// The classes of authentication (acr), the lower first. Whoever meets one has met those before it.
const (
	ClassOne = "1" // one factor
	ClassTwo = "2" // MethodsTwo
)

// Classes are those a login can be asked to be of.
func Classes() []string { return []string{ClassOne, ClassTwo} }

// ClassOf is the class of a login by its methods.
func ClassOf(amr []string) string {
	if slices.Contains(amr, MethodsTwo) {
		return ClassTwo
	}
	return ClassOne
}
