package auth_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
)

// Made by python-bcrypt from 72 times the letter a.
const bcrypt72 = "$2b$04$1kT8lKhkL8Pe0IKApSIKeOtJ5msyFhVC1oSu13jejarU8Z4BtFH1e"

// An argon2id hash that asks for 4 GiB.
const bomb = "$argon2id$v=19$m=4194304,t=1,p=1$8PHy8/T19vf4+fr7/P3+/w$YeDOLQ653AYLkX4M8i/aAAhnoLFhJqbQ5B7OUTaDLdA"

const (
	asciiPassword   = "correct horse battery"
	unicodePassword = "caf\u00e9 na\u00efve \U0001f511"
)

// Computed by other implementations: argon2-cffi 25.1 (the reference C code), python-bcrypt 4.0, passlib 1.7 (bcrypt-sha256), Python's
// hashlib on OpenSSL (pbkdf2, scrypt), the C library's crypt (sha-crypt) and OpenSSL's passwd (md5-crypt).
var foreignHashes = []struct{ name, password, phc string }{
	{"argon2 id m=19456", asciiPassword, "$argon2id$v=19$m=19456,t=2,p=1$8PHy8/T19vf4+fr7/P3+/w$YeDOLQ653AYLkX4M8i/aAAhnoLFhJqbQ5B7OUTaDLdA"},
	{"argon2 id m=4099", asciiPassword, "$argon2id$v=19$m=4099,t=3,p=4$8PHy8/T19vf4+fr7/P3+/w$g7hj37BtVOikrG+rGBeQTw3PIKDKcd+/EbKKHyuu9c8"},
	{"argon2 i m=1024", asciiPassword, "$argon2i$v=19$m=1024,t=2,p=2$8PHy8/T19vf4+fr7/P3+/w$Qdxoi160A6WqxYqU3zrS5smZ5o8To73ONdeJpiFj5Sw"},
	{"argon2 d m=1024", asciiPassword, "$argon2d$v=19$m=1024,t=1,p=1$8PHy8/T19vf4+fr7/P3+/w$JZqQMwdjWVLzhnuUWo7hNn9JcsxxX5yJ1MDnayUevAQ"},
	{"bcrypt 2a", asciiPassword, "$2a$05$8LJLYTJeTkzslj3Fd19xLusweGgFpI6/0EnS51je38jBsLRDTRWji"},
	{"bcrypt 2b", asciiPassword, "$2b$05$EewIkM.G/9OrpGnJX5xs2eq18pLawnv3MEt2PIL9s5pzU6XY.KBd2"},
	{"bcrypt 2y", asciiPassword, "$2y$05$EewIkM.G/9OrpGnJX5xs2eq18pLawnv3MEt2PIL9s5pzU6XY.KBd2"},
	{"bcrypt-sha256", asciiPassword, "$bcrypt-sha256$v=2,t=2b,r=5$R/rpHpv20.h18CrAZBIJGe$8QU90hEiPTIiUWOYjI0QvKSFUg1YPa2"},
	{"pbkdf2 sha1", asciiPassword, "$pbkdf2$1000$8PHy8/T19vf4.fr7/P3./w$2DNX40nbdH77gy40BOl7GYl.sJg"},
	{"pbkdf2 sha224", asciiPassword, "$pbkdf2-sha224$1000$8PHy8/T19vf4.fr7/P3./w$cQ7wCFhtrWQVZ23.uLgueOLivwl2DMGA.0QNVw"},
	{"pbkdf2 sha256", asciiPassword, "$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$99bV.pKqUWKQUi1d2HhkR3ILvGqybbv4Jxx1sMp8D6s"},
	{"pbkdf2 sha384", asciiPassword, "$pbkdf2-sha384$1000$8PHy8/T19vf4.fr7/P3./w$AUszRLo0Hw.6xdPJntiYfxvEWJnlw0JvwohZ07XoL7uyHejoBum5Osl338EqqbSn"},
	{"pbkdf2 sha512", asciiPassword, "$pbkdf2-sha512$1000$8PHy8/T19vf4.fr7/P3./w$hWACBuAy41PVaxHMuJVNcqtn6FQe.C1dQ2Bt7XPgCBGLkHEHHdKxW4fzTWC2O9wKVcIX9e3QYMxwnO23HUbLDg"},
	{"pbkdf2 sha256, two blocks", asciiPassword, "$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$99bV.pKqUWKQUi1d2HhkR3ILvGqybbv4Jxx1sMp8D6ssn1g/vUjpNZp1ky6u20JusXR9ZFE59sGgxe3dRpH01w"},
	{"scrypt", asciiPassword, "$scrypt$ln=10,r=8,p=2$8PHy8/T19vf4+fr7/P3+/w$BToIq2kJyMV+4aTKRfePTvUGsLmJaQCiLIirE11JVfk"},
	{"sha256-crypt", asciiPassword, "$5$Nq1vX0.a/Zk3b$dQhBePf0cvgtxO3SMLAzIHZiCdUNJVebtAXhrR7TVVD"},
	{"sha256-crypt with rounds", asciiPassword, "$5$rounds=1234$saltysalt$2zxYrGaSs5Bge4Jv03rYbTsYtQBAAx2TVZZXOKvHA82"},
	{"sha512-crypt", asciiPassword, "$6$Nq1vX0.a/Zk3bPw2$5T6YKuZNV2LIRiQo.en3Nm.6b9imirPPnTCh7/MoFrtnpYlVHYNQZrvHQnyy33iUCEKUEfUWc1rTrKdvR2fFD."},
	{"sha512-crypt with rounds", asciiPassword, "$6$rounds=1000$s$BSMIPkdSEb9XxpaOeYRdv0g8s3G5C2EP0D8JH9H1ocRk9ewKQirLezTB.d2x8s3PLUNlu7gSnhGt5/AgN66XQ/"},
	{"md5-crypt", asciiPassword, "$1$saltsalt$UevX3RQ4rPNbqFqf8dVFn."},
	{"md5-crypt with a short salt", asciiPassword, "$1$x$oaBm60Z.kGebrIHeP69tB."},
	{"argon2 id m=19456", unicodePassword, "$argon2id$v=19$m=19456,t=2,p=1$8PHy8/T19vf4+fr7/P3+/w$OhO9Wj6HlN3au/zQzL7GvjwoAMgZLq9kN+oYhdRjcrs"},
	{"argon2 id m=4099", unicodePassword, "$argon2id$v=19$m=4099,t=3,p=4$8PHy8/T19vf4+fr7/P3+/w$QztGMaM8TTBjrcNYQoAGxOAjNRIYQSRDgQF2u59DQeQ"},
	{"argon2 i m=1024", unicodePassword, "$argon2i$v=19$m=1024,t=2,p=2$8PHy8/T19vf4+fr7/P3+/w$s7zOfx8gsrIZOlocRuY3hgOSrAKsafpO8CXiGrQjvP4"},
	{"argon2 d m=1024", unicodePassword, "$argon2d$v=19$m=1024,t=1,p=1$8PHy8/T19vf4+fr7/P3+/w$4Si5i+CxA4QPziuhubJ53QW648WL1Ix+VUKK+zDdR5M"},
	{"bcrypt 2a", unicodePassword, "$2a$05$tgXeTfJgSDTxwHSjEcTeYuDp5zGDcQSpwpeYU7oyvdAJDCZhheHXW"},
	{"bcrypt 2b", unicodePassword, "$2b$05$b5CAfpwSYVMjwPx9ghjcA.PCG4sj3LZHVfYIyACnif26MsQ8vtcpq"},
	{"bcrypt 2y", unicodePassword, "$2y$05$b5CAfpwSYVMjwPx9ghjcA.PCG4sj3LZHVfYIyACnif26MsQ8vtcpq"},
	{"bcrypt-sha256", unicodePassword, "$bcrypt-sha256$v=2,t=2b,r=5$4kFKLo6Q45kdxzvBLADZ/e$TpKZMh7jvtMXf84ZKKOabo/Hsa6M9jK"},
	{"pbkdf2 sha1", unicodePassword, "$pbkdf2$1000$8PHy8/T19vf4.fr7/P3./w$5669VyJrjKjf7vYd4jvT3VpiMM4"},
	{"pbkdf2 sha224", unicodePassword, "$pbkdf2-sha224$1000$8PHy8/T19vf4.fr7/P3./w$e40p4BDPTnqgBna3/sm6Pv.xZ26qiqZiyqu8uQ"},
	{"pbkdf2 sha256", unicodePassword, "$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$SUgPq9T4SzG.sYQKsSbSQv3dlIRhPwGnD6SL6cyPe50"},
	{"pbkdf2 sha384", unicodePassword, "$pbkdf2-sha384$1000$8PHy8/T19vf4.fr7/P3./w$v8NssxuVCFnA/5lUUKhyCI8qQ/OT2nlqCv1elxq2Xr9yMkECE.AqbhvHwVLRq0iH"},
	{"pbkdf2 sha512", unicodePassword, "$pbkdf2-sha512$1000$8PHy8/T19vf4.fr7/P3./w$vfxRTIwJXVq0iWrRArg9LK9FGXHwJCO8gQZU3wYkz84yy/Tt5TJlc0sTwWW2uK/yhUqHi4W9R4Et7df3uO1H3A"},
	{"pbkdf2 sha256, two blocks", unicodePassword, "$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$SUgPq9T4SzG.sYQKsSbSQv3dlIRhPwGnD6SL6cyPe52Ka.9DL8o22A2mcddd6aKtreyBLeI6mHFUENYbLwg3VA"},
	{"scrypt", unicodePassword, "$scrypt$ln=10,r=8,p=2$8PHy8/T19vf4+fr7/P3+/w$2WX6ZTD0cFZQTPuMSQUSXV3rZ+uryLINWrXgV2o0fz4"},
	{"sha256-crypt", unicodePassword, "$5$Nq1vX0.a/Zk3b$fABPWYWpkE6ONgfHEzc2zPoAgCSL7AG9pfCXN7rAY95"},
	{"sha256-crypt with rounds", unicodePassword, "$5$rounds=1234$saltysalt$U9O5Jh1bGSJ0Pp16gJCS6JHXxFRLgw1gNddYWnq3T/0"},
	{"sha512-crypt", unicodePassword, "$6$Nq1vX0.a/Zk3bPw2$YQ6MltyF5.wFDtLsvcqrxtbChln/e0Ag5boN4V7KrmESgVqQAHJSz8CBg2ihNx08cy0j1YZWVUKDZIAx4Pn7e0"},
	{"sha512-crypt with rounds", unicodePassword, "$6$rounds=1000$s$i9AdqD1Q6k3S0NsnW6dGcGTvN33ucgSAXByYngwQ.HqO2zkH56hVCGPZphXqWxjfn.jyrn55Obgg1bor64Ges0"},
	{"md5-crypt", unicodePassword, "$1$saltsalt$grG4Yvt.jYHDp0Vfj7ix70"},
	{"md5-crypt with a short salt", unicodePassword, "$1$x$E5trDOgaa9OIXNT2DkeVc."},
}

func TestVerifyForeignHashes(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	for _, tt := range foreignHashes {
		t.Run(tt.name, func(t *testing.T) {
			if err := h.CheckImported(tt.phc); err != nil {
				t.Fatalf("import of %s: %v", tt.phc, err)
			}
			current := strings.HasPrefix(tt.phc, "$argon2id$v=19$m=19456,t=2,p=1$")
			if ok, upgrade := verify(t, h, tt.phc, tt.password); !ok || upgrade == current {
				t.Errorf("right password: match %t, upgrade %t", ok, upgrade)
			}
			for _, wrong := range []string{"", "Correct horse battery", tt.password + " "} {
				if ok, upgrade := verify(t, h, tt.phc, wrong); ok || upgrade {
					t.Errorf("wrong password %q: match %t, upgrade %t", wrong, ok, upgrade)
				}
			}
		})
	}
}

// Row L-02: bcrypt reads 72 bytes and no more.
func TestBcryptIsNotTruncated(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	if ok, upgrade := verify(t, h, bcrypt72, strings.Repeat("a", 72)); !ok || !upgrade {
		t.Errorf("72 bytes: match %t, upgrade %t", ok, upgrade)
	}
	for _, password := range []string{
		strings.Repeat("a", 71), strings.Repeat("a", 72) + "X", strings.Repeat("a", 73), strings.Repeat("a", 72) + "\x00",
	} {
		if ok, _ := verify(t, h, bcrypt72, password); ok {
			t.Errorf("%d bytes match", len(password))
		}
	}
}

// A key of HMAC is padded with NULs, one of bcrypt repeated after a NUL: for them these passwords are equal.
func TestNULIsSignificant(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	for _, tt := range foreignHashes {
		if tt.password != asciiPassword {
			continue
		}
		for _, password := range []string{tt.password + "\x00", tt.password + "\x00" + tt.password} {
			if ok, _ := verify(t, h, tt.phc, password); ok {
				t.Errorf("%s: %q matches", tt.name, password)
			}
		}
	}
}

func TestCheckImportedBounds(t *testing.T) {
	h := newHasher(t, auth.HashConfig{MemoryBudgetMiB: 256})
	const (
		salt   = "8PHy8/T19vf4+fr7/P3+/w"
		key    = "YeDOLQ653AYLkX4M8i/aAAhnoLFhJqbQ5B7OUTaDLdA"
		ab64   = "8PHy8/T19vf4.fr7/P3./w"
		abKey  = "99bV.pKqUWKQUi1d2HhkR3ILvGqybbv4Jxx1sMp8D6s"
		secret = "Ma/dVfrZu20E.8sZ5CEcLeYUdoVB42LeTAN2OuBNWNclVdkvx2ROW"
		sha256 = "2zxYrGaSs5Bge4Jv03rYbTsYtQBAAx2TVZZXOKvHA82"
		sha512 = "BSMIPkdSEb9XxpaOeYRdv0g8s3G5C2EP0D8JH9H1ocRk9ewKQirLezTB.d2x8s3PLUNlu7gSnhGt5/AgN66XQ/"
	)
	argon2 := func(params string) string { return "$argon2id$v=19$" + params + "$" + salt + "$" + key }
	scrypt := func(params string) string { return "$scrypt$" + params + "$" + salt + "$" + key }
	tests := []struct {
		phc    string
		reason string // "" if allowed
	}{
		{argon2("m=262144,t=4,p=16"), ""},
		{argon2("m=8,t=1,p=1"), ""},
		{argon2("m=262145,t=1,p=1"), "262144 KiB"},
		{argon2("m=4194304,t=1,p=1"), "262144 KiB"},
		{argon2("m=4294967295,t=4294967295,p=255"), "known formats"},
		{argon2("m=999999999,t=999999999,p=999999999"), "16 lanes"},
		{argon2("m=262144,t=5,p=1"), "1048576 KiB times passes"},
		{argon2("m=8,t=999999999,p=1"), "1048576 KiB times passes"},
		{argon2("m=65536,t=1,p=17"), "16 lanes"},
		{argon2("m=15,t=1,p=2"), "8 KiB per lane"},
		{argon2("m=65536,t=0,p=1"), "known formats"},
		{argon2("m=65536,t=1,p=0"), "known formats"},
		{argon2("m=0,t=1,p=1"), "known formats"},
		{argon2("m=-1,t=1,p=1"), "known formats"},
		{argon2("m=+8,t=1,p=1"), "known formats"},
		{argon2("m=0x400,t=1,p=1"), "known formats"},
		{argon2("t=1,m=65536,p=1"), "known formats"},
		{argon2("m=65536,m=4294967295,t=1,p=1"), "known formats"},
		{argon2("m=65536,t=1,p=1,keyid=x"), "known formats"},
		{"$argon2id$m=65536,t=1,p=1$" + salt + "$" + key, "known formats"},
		{"$argon2id$v=16$m=65536,t=1,p=1$" + salt + "$" + key, "known formats"},
		{"$argon2id$v=19$m=65536,t=1,p=1$c2FsdA$" + key, "known formats"},
		{"$argon2id$v=19$m=65536,t=1,p=1$" + salt + "$", "known formats"},
		{"$argon2id$v=19$m=65536,t=1,p=1$" + salt + "$AAAA", "known formats"},
		{"$argon2id$v=19$m=65536,t=1,p=1$" + salt + "$" + key + strings.Repeat("A", 44), "known formats"},
		{"$argon2id$v=19$m=65536,t=1,p=1$" + salt + "$" + key + "AA", "base64"},
		{"$argon2id$v=19$m=65536,t=1,p=1$" + salt + "$" + key + "$x", "known formats"},
		{argon2("m=65536,t=1,p=1") + "\n", "known formats"},
		{"$argon2x$v=19$m=65536,t=1,p=1$" + salt + "$" + key, "known formats"},

		{"$2b$04$" + secret, ""},
		{"$2b$14$" + secret, ""},
		{"$2b$15$" + secret, "4 to 14"},
		{"$2b$31$" + secret, "4 to 14"},
		{"$2b$99$" + secret, "4 to 14"},
		{"$2b$03$" + secret, "4 to 14"},
		{"$2b$00$" + secret, "4 to 14"},
		{"$2b$5$" + secret, "known formats"},
		{"$2b$005$" + secret, "known formats"},
		{"$2x$05$" + secret, "known formats"}, // the hash of a bug
		{"$2$05$" + secret, "known formats"},
		{"$2b$05$" + secret[1:], "known formats"},
		{"$2b$05$" + secret + "a", "known formats"},
		{"$bcrypt-sha256$v=2,t=2b,r=14$" + secret[:22] + "$" + secret[22:], ""},
		{"$bcrypt-sha256$v=2,t=2b,r=15$" + secret[:22] + "$" + secret[22:], "4 to 14"},
		{"$bcrypt-sha256$v=1,t=2b,r=12$" + secret[:22] + "$" + secret[22:], "known formats"},
		{"$bcrypt-sha256$2a,12$" + secret[:22] + "$" + secret[22:], "known formats"},

		{"$pbkdf2-sha256$1$" + ab64 + "$" + abKey, ""},
		{"$pbkdf2-sha256$5000000$" + ab64 + "$" + abKey, ""},
		{"$pbkdf2-sha256$5000001$" + ab64 + "$" + abKey, "5000000 in all"},
		{"$pbkdf2-sha256$999999999$" + ab64 + "$" + abKey, "5000000 in all"},
		{"$pbkdf2$2500001$" + ab64 + "$" + abKey, "2 blocks"}, // 32 bytes of SHA-1
		{"$pbkdf2-sha256$99999999999999999999$" + ab64 + "$" + abKey, "known formats"},
		{"$pbkdf2-sha256$0$" + ab64 + "$" + abKey, "known formats"},
		{"$pbkdf2-sha256$-1$" + ab64 + "$" + abKey, "known formats"},
		{"$pbkdf2-md5$1000$" + ab64 + "$" + abKey, "known formats"},
		{"{PBKDF2}1000$" + ab64 + "$" + abKey, "known formats"},

		{scrypt("ln=17,r=8,p=1"), ""},
		{scrypt("ln=17,r=8,p=4"), ""},
		{scrypt("ln=1,r=1,p=1"), ""},
		{scrypt("ln=15,r=64,p=2"), ""},
		{scrypt("ln=5,r=65,p=1"), "r up to 64"},
		{scrypt("ln=18,r=8,p=1"), ""},
		{scrypt("ln=18,r=9,p=1"), "262144 KiB of memory"},
		{scrypt("ln=17,r=8,p=5"), "524288 KiB times lanes"},
		{scrypt("ln=19,r=8,p=1"), "262144 KiB of memory"},
		{scrypt("ln=63,r=8,p=1"), "262144 KiB of memory"},
		{scrypt("ln=64,r=8,p=1"), "262144 KiB of memory"},
		{scrypt("ln=999999999,r=1,p=1"), "262144 KiB of memory"},
		{scrypt("ln=1,r=999999999,p=1"), "262144 KiB of memory"},
		{scrypt("ln=1,r=1,p=999999999"), "16 lanes"},
		{scrypt("ln=0,r=8,p=1"), "known formats"},
		{scrypt("ln=4,r=0,p=1"), "known formats"},
		{scrypt("ln=4,r=8,p=0"), "known formats"},
		{"$y$j9T$salt$key", "known formats"},

		{"$5$s$" + sha256, ""},
		{"$5$rounds=1000$s$" + sha256, ""},
		{"$6$rounds=1000000$0123456789abcdef$" + sha512, ""},
		{"$6$rounds=1000001$s$" + sha512, "1000 to 1000000"},
		{"$5$rounds=999999999$s$" + sha256, "1000 to 1000000"},
		{"$5$rounds=999$s$" + sha256, "1000 to 1000000"},
		{"$5$rounds=4294967296$s$" + sha256, "known formats"},
		{"$5$s$" + sha512, "known formats"},
		{"$6$s$" + sha256, "known formats"},
		{"$5$$" + sha256, "known formats"},
		{"$5$0123456789abcdefg$" + sha256, "known formats"},

		{"", "known formats"},
		{"$", "known formats"},
		{"plaintext", "known formats"},
		{"$plaintext$secret", "known formats"},
		{"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", ""},
		{"$1$$qjXMvbEw8oaL.CzflDtaK/", "known formats"},
		{"$1$saltsalts$qjXMvbEw8oaL.CzflDtaK/", "known formats"},
		{"$1$salt:alt$qjXMvbEw8oaL.CzflDtaK/", "known formats"},
		{"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK", "known formats"},
		{"$md5$rounds=9999999$saltsalt$$qjXMvbEw8oaL.CzflDtaK/", "known formats"},

		{"md5+" + argon2("m=65536,t=3,p=1"), ""},
		{"blake2b-512+" + argon2("m=65536,t=3,p=1"), ""},
		{"md5+" + argon2("m=262145,t=1,p=1"), "262144 KiB"},
		{"md5+" + strings.Replace(argon2("m=65536,t=3,p=1"), "argon2id", "argon2i", 1), "known formats"},
		{"md5+md5+" + argon2("m=65536,t=3,p=1"), "known formats"},
		{"MD5+" + argon2("m=65536,t=3,p=1"), "known formats"},
		{"md4+" + argon2("m=65536,t=3,p=1"), "known formats"},
		{"blake2b+" + argon2("m=65536,t=3,p=1"), "known formats"},
		{"+" + argon2("m=65536,t=3,p=1"), "known formats"},
		{"md5" + argon2("m=65536,t=3,p=1"), "known formats"},
		{"md5+ " + argon2("m=65536,t=3,p=1"), "known formats"},
		{"md5+" + argon2("m=65536,t=3,p=1") + "\n", "known formats"},
		{"sha1+$2b$05$" + secret, "known formats"},
		{"md5+5f4dcc3b5aa765d61d8327deb882cf99", "known formats"},
		{"$sha1$40000$jtNX3nZ2$hBNaIXkt4wBI2o5rsi8KejSjNqIq", "known formats"},
		{"5f4dcc3b5aa765d61d8327deb882cf99", "known formats"},
		{" " + argon2("m=65536,t=1,p=1"), "known formats"},
		{"{CRYPT}$2b$05$" + secret, "known formats"},
		{strings.Repeat("$", 1<<20), "known formats"},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			err := h.CheckImported(tt.phc)
			if tt.reason == "" {
				if err != nil {
					t.Fatalf("%.100s: %v", tt.phc, err)
				}
				return
			}
			var refused *auth.Error
			if !errors.As(err, &refused) || refused.Code != auth.InvalidRequest || refused.Field != "password_hash" ||
				!strings.Contains(refused.Detail, tt.reason) {
				t.Fatalf("%.100s: got %v, want it refused with %q", tt.phc, err, tt.reason)
			}
			if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), secret) {
				t.Errorf("the error %q repeats the hash", err)
			}
		})
	}
}

// A hash must not weigh less at the gate than what it makes the algorithm take.
func TestImportedHashWeighsItsMemory(t *testing.T) {
	h := newHasher(t, auth.HashConfig{MemoryBudgetMiB: 512})
	for params, want := range map[string]int64{
		"$argon2id$v=19$m=65536,t=3,p=4": 64 << 10,
		"$argon2d$v=19$m=300000,t=1,p=1": 300000,
		"$scrypt$ln=14,r=8,p=1":          16 << 10, // 128·N·r bytes
		"$scrypt$ln=10,r=32,p=4":         4 << 10,
	} {
		got, err := h.CostKiB(params + "$8PHy8/T19vf4+fr7/P3+/w$BToIq2kJyMV+4aTKRfePTvUGsLmJaQCiLIirE11JVfk")
		if err != nil || got != want {
			t.Errorf("%s takes %d KiB, %v; want %d", params, got, err, want)
		}
	}
}

// cheap are hashes a fuzzing run can afford to compute.
var cheap = regexp.MustCompile(`^(?:[a-z0-9-]+\+)?\$(1\$|argon2i?d?\$v=19\$m=\d{1,3},t=\d,p=\d\$|2.\$04\$|bcrypt-sha256\$v=2,t=2b,r=4\$|` +
	`pbkdf2[^$]*\$\d{1,3}\$|scrypt\$ln=\d,r=\d,p=\d\$|[56]\$rounds=\d{4}\$)`)

func FuzzVerify(f *testing.F) {
	const budgetMiB = 32
	h := newHasher(f, auth.HashConfig{MemoryBudgetMiB: budgetMiB})
	for _, tt := range foreignHashes {
		f.Add(tt.phc, tt.password)
	}
	for _, costs := range [][2]string{{"m=1024", "m=8"}, {"$05$", "$04$"}, {"r=5$", "r=4$"}, {"$1000$", "$1$"}, {"ln=10", "ln=4"}} {
		for _, tt := range foreignHashes {
			if phc := strings.Replace(tt.phc, costs[0], costs[1], 1); phc != tt.phc {
				f.Add(phc, tt.password)
			}
		}
	}
	for _, digest := range []string{"md5", "sha1", "sha256", "sha512", "blake2b-256", "blake2b-512", "md5+md5", "md6", ""} {
		f.Add(digest+"+$argon2id$v=19$m=8,t=1,p=1$8PHy8/T19vf4+fr7/P3+/w$YeDOLQ653AYLkX4M8i/aAAhnoLFhJqbQ5B7OUTaDLdA", asciiPassword)
	}
	f.Add("md5+"+bomb, "")
	f.Add(bomb, "")
	f.Add(bcrypt72, strings.Repeat("a", 73))
	f.Add("$2b$31$Ma/dVfrZu20E.8sZ5CEcLeYUdoVB42LeTAN2OuBNWNclVdkvx2ROW", "x")
	f.Add("$scrypt$ln=63,r=8,p=1$8PHy8/T19vf4+fr7/P3+/w$BToIq2kJyMV+4aTKRfePTvUGsLmJaQCiLIirE11JVfk", "x")
	f.Fuzz(func(t *testing.T, phc, password string) {
		cost, err := h.CostKiB(phc)
		if err == nil && (cost < 0 || cost > budgetMiB<<10) {
			t.Fatalf("%q would take %d KiB", phc, cost)
		}
		if imported := h.CheckImported(phc); (imported == nil) != (err == nil) {
			t.Fatalf("%q: import says %v, verification %v", phc, imported, err)
		}
		if err != nil || !cheap.MatchString(phc) {
			return
		}
		ok, upgrade, err := h.Verify(t.Context(), phc, password)
		if err != nil && (auth.CodeOf(err) != auth.InvalidRequest || len(password) <= 1024) {
			t.Fatal(err)
		}
		if upgrade != ok { // nothing this cheap is current
			t.Fatalf("%q: match %t, upgrade %t", phc, ok, upgrade)
		}
	})
}
