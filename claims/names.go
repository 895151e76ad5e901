package claims

// Prefix begins the name of every claim that comes from stored metadata, and of no other claim. It is a constant so that
// no configuration can make it empty or overlap with a claim the issuer vouches for.
const Prefix = "metadata_"

// maxKeyLength is the longest key, in bytes, that can become a claim.
const maxKeyLength = 64

// ValidKey reports whether a metadata key can become a claim: ^[A-Za-z][A-Za-z0-9_.-]{0,63}$. Every such key needs no
// escaping in JSON and reads the same in every consumer.
func ValidKey(key string) bool {
	if len(key) == 0 || len(key) > maxKeyLength || !isLetter(key[0]) {
		return false
	}
	for i := 1; i < len(key); i++ {
		switch c := key[i]; {
		case isLetter(c), '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// reserved are the top-level names that belong to the issuer: those this package writes, and registered ones it does not
// write today but whose meaning no stored value may ever imitate.
var reserved = map[string]bool{
	// RFC 7519 §4.1
	"iss": true, "sub": true, "aud": true, "exp": true, "nbf": true, "iat": true, "jti": true,
	// RFC 9068 §2.2, RFC 8693 §4, RFC 7800 §3.1, RFC 9396 §9.1
	"client_id": true, "scope": true, "act": true, "may_act": true, "cnf": true, "authorization_details": true,
	"roles": true, "groups": true, "entitlements": true,
	// OpenID Connect Core §2, §3.3.2.11, Back-Channel Logout §2.4
	"auth_time": true, "nonce": true, "acr": true, "amr": true, "azp": true, "at_hash": true, "c_hash": true,
	"sid": true, "events": true,
	// OpenID Connect Core §5.1
	"name": true, "given_name": true, "family_name": true, "middle_name": true, "nickname": true,
	"preferred_username": true, "profile": true, "picture": true, "website": true, "gender": true, "birthdate": true,
	"zoneinfo": true, "locale": true, "updated_at": true, "email": true, "email_verified": true,
	"phone_number": true, "phone_number_verified": true, "address": true,
	// Claimsmith's own: organisation, and the revisions of what the metadata claims were read from.
	"org": true, "claims_rev": true, "claims_app_rev": true, "claims_org_rev": true,
	// Zitadel's, for everything that is stored about the user.
	UserMetadataClaim: true,
}

// Reserved reports whether a top-level claim name belongs to the issuer. No reserved name begins with [Prefix].
func Reserved(name string) bool { return reserved[name] }
