package auth_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
)

// Computed by Python's hashlib.
var foreignDigests = []struct{ algorithm, password, text, stored string }{
	{"md5", asciiPassword, "88e4ddd2402d92d50e1879d6ecd9ffd4", "md5"},
	{"sha1", asciiPassword, "98decc62ece399a22ed30d490ef333be7fde7385", "sha1"},
	{"sha256", asciiPassword, "9028ea0d15decaa35b2da21c0290af3b1a5ba0a30a591906f89b5074e209ea72", "sha256"},
	{"sha512", asciiPassword, "cef61e4e4eda7ba8a2feaa120617fcf7a513ad9204423b25e243b7d3f556f928" +
		"53e95b156adaffdd9a27d0e50736ad6a6bbcc50ce8a9bd35162f7d799e89a521", "sha512"},
	{"blake2b", asciiPassword, "83e731fbe1985b165705d5e6bcc695c78884b370270410d9c84a5d3c937f74c8", "blake2b-256"},
	{"black2b", asciiPassword, "F9F4363B23C6554EC7D8CCC9BFBFC909D979124A936874EF0E933A6696077C2F" +
		"B0D806898A8CB96322E5010076B79DABBFD4382D74621BC5DB22B41C064D4851", "blake2b-512"},
	{"md5", unicodePassword, "0EA63C8D039530FA6CE63C71CB8D645D", "md5"},
	{"sha1", unicodePassword, "cce502f3e9108b3945ba9c02759191ed4f6e87b0", "sha1"},
	{"sha256", unicodePassword, "acf3139a9c30da9c8b2b109f804d9be091997fe6f5fd9920782fe0c3849a0164", "sha256"},
	{"sha512", unicodePassword, "dfe252c9b68d7891f3ac87805dd203befa16ee0d5862f2f2d2645954373890eb" +
		"ceda295d35e36f2d629b2ccef37934c4d3fb395a521d76f22d0c130e42661766", "sha512"},
	{"black2b", unicodePassword, "79a8b84757b32944f651b5a298f409566c6d90687cef2a85a500cc222009815b", "blake2b-256"},
	{"blake2b", unicodePassword, "a00f6bcac8e1ea8ceab8d8aa2ebaf6baa260172bed6ac435e6fd05b107710076" +
		"15c069c37c8eb1d4f8a69f3025bceccf72069bdc954f10f42d7a6a1af3fa6205", "blake2b-512"},
}

func TestDigestsAreStoredWrappedAndVerified(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	for _, tt := range foreignDigests {
		t.Run(tt.algorithm+" "+tt.stored, func(t *testing.T) {
			stored, err := h.Import(t.Context(), auth.ImportedHash{Algorithm: tt.algorithm, Text: tt.text})
			if err != nil {
				t.Fatal(err)
			}
			wanted := regexp.MustCompile(`^` + tt.stored + `\+\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
			if !wanted.MatchString(stored) {
				t.Errorf("stored as %s", stored)
			}
			again, err := h.Import(t.Context(), auth.ImportedHash{Algorithm: tt.algorithm, Text: tt.text})
			if err != nil || again == stored {
				t.Errorf("two users of the same password have the same hash (%v)", err)
			}
			if ok, upgrade := verify(t, h, stored, tt.password); !ok || !upgrade {
				t.Errorf("right password: match %t, upgrade %t", ok, upgrade)
			}
			for _, wrong := range []string{"", tt.text, strings.ToLower(tt.text), tt.password + " ", tt.password + "\x00"} {
				if ok, upgrade := verify(t, h, stored, wrong); ok || upgrade {
					t.Errorf("wrong password %q: match %t, upgrade %t", wrong, ok, upgrade)
				}
			}
			// What was stored can be taken to another installation.
			if kept, err := h.Import(t.Context(), auth.ImportedHash{Text: stored}); err != nil || kept != stored {
				t.Errorf("importing %s: %s (%v)", stored, kept, err)
			}
			// It is of this digest alone, and of the whole text.
			_, phc, _ := strings.Cut(stored, "+")
			for _, mangled := range []string{phc, "sha224+" + phc, tt.stored + phc, strings.ToUpper(tt.stored) + "+" + phc, stored + "x"} {
				if ok, _ := verify(t, h, mangled, tt.password); ok {
					t.Errorf("%s matches", mangled)
				}
			}
			for _, other := range foreignDigests {
				if other.stored != tt.stored {
					if ok, _ := verify(t, h, other.stored+"+"+phc, tt.password); ok {
						t.Errorf("a hash of %s matches as one of %s", tt.stored, other.stored)
					}
				}
			}
		})
	}
}

func TestImportedHashesThatSayTheirNameStayAsTheyAre(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	for _, i := range []auth.ImportedHash{
		{Algorithm: "bcrypt", Text: bcrypt72}, {Text: bcrypt72}, {Algorithm: "md5-crypt", Text: "$1$saltsalt$UevX3RQ4rPNbqFqf8dVFn."},
	} {
		ctx := stopped(t) // nothing is computed
		if stored, err := h.Import(ctx, i); err != nil || stored != i.Text {
			t.Errorf("%s %s is stored as %s (%v)", i.Algorithm, i.Text, stored, err)
		}
	}
}

func TestImportedHashesAreHeldToTheirName(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	const md5, sha256 = "88e4ddd2402d92d50e1879d6ecd9ffd4", "9028ea0d15decaa35b2da21c0290af3b1a5ba0a30a591906f89b5074e209ea72"
	for _, tt := range []struct{ algorithm, text, field, detail string }{
		{"md5", sha256, "password_hash", "a md5 digest"},
		{"md5", md5[1:], "password_hash", "a md5 digest"},
		{"md5", md5 + "\n", "password_hash", "a md5 digest"},
		{"md5", "0x" + md5[2:], "password_hash", "a md5 digest"},
		{"md5", "", "password_hash", "a md5 digest"},
		{"md5", "\u00e9" + md5[2:], "password_hash", "a md5 digest"},
		{"sha1", md5, "password_hash", "a sha1 digest"},
		{"sha512", sha256, "password_hash", "a sha512 digest"},
		{"blake2b", md5, "password_hash", "a blake2b digest"},
		{"black2b", md5, "password_hash", "a blake2b digest"},
		{"md5", "md5+" + bomb, "password_hash", "a md5 digest"},
		{"md5", bcrypt72, "password_hash", "a md5 digest"},
		{"bcrypt", md5, "password_hash", "none of bcrypt"},
		{"bcrypt", "$1$saltsalt$UevX3RQ4rPNbqFqf8dVFn.", "password_hash", "none of bcrypt"},
		{"bcrypt", "$2b$31$Ma/dVfrZu20E.8sZ5CEcLeYUdoVB42LeTAN2OuBNWNclVdkvx2ROW", "password_hash", "4 to 14"},
		{"md5-crypt", bcrypt72, "password_hash", "none of md5-crypt"},
		{"md5-crypt", md5, "password_hash", "none of md5-crypt"},
		{"", md5, "password_hash", "known formats"},
		{"MD5", md5, "hash_algorithm", "allowed: bcrypt, md5, sha1, sha256, sha512, blake2b, black2b, md5-crypt"},
		{"blake2b-256", sha256, "hash_algorithm", "allowed"},
		{"argon2id", bomb, "hash_algorithm", "allowed"},
		{"-", md5, "hash_algorithm", "allowed"},
	} {
		_, err := h.Import(stopped(t), auth.ImportedHash{Algorithm: tt.algorithm, Text: tt.text})
		var refused *auth.Error
		if !errors.As(err, &refused) || refused.Code != auth.InvalidRequest || refused.Field != tt.field ||
			!strings.Contains(refused.Detail, tt.detail) {
			t.Errorf("%s %q: %v, want %s refused with %q", tt.algorithm, tt.text, err, tt.field, tt.detail)
		}
		if tt.text != "" && err != nil && strings.Contains(err.Error(), tt.text) {
			t.Errorf("the error %q repeats the hash", err)
		}
	}
}

// Row L-03: wrapping takes the memory any hash takes.
func TestWrappingWaitsAtTheGate(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	if _, err := h.Import(stopped(t), auth.ImportedHash{Algorithm: "md5", Text: foreignDigests[0].text}); auth.CodeOf(err) != auth.Busy {
		t.Errorf("out of time: %v, want busy", err)
	}
	stored, err := h.Import(t.Context(), auth.ImportedHash{Algorithm: "md5", Text: foreignDigests[0].text})
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := h.CostKiB(stored); err != nil || cost != 19456 {
		t.Errorf("it weighs %d KiB (%v)", cost, err)
	}
}

// Row L-01: the first login replaces it.
func TestDigestIsReplacedAtTheFirstLogin(t *testing.T) {
	d := newDoors(t)
	for _, tt := range foreignDigests[:6] {
		stored, err := d.Hasher.Import(t.Context(), auth.ImportedHash{Algorithm: tt.algorithm, Text: tt.text})
		d.must(err)
		id := "jane-" + tt.stored
		d.add(id, stored, nil)
		_, err = d.login(id, "wrong", "")
		d.wantCode("a wrong password", err, auth.InvalidCredentials)
		if _, hash, err := d.store.User(t.Context(), id); err != nil || hash != stored {
			t.Errorf("after a failed login the hash is %s (%v)", hash, err)
		}
		for range 2 {
			if _, err := d.login(id, tt.password, ""); err != nil {
				t.Fatal(err)
			}
		}
		_, hash, err := d.store.User(t.Context(), id)
		d.must(err)
		if ok, upgrade := verify(t, d.Hasher, hash, tt.password); !ok || upgrade || !strings.HasPrefix(hash, "$argon2id$") {
			t.Errorf("%s is replaced by %s: match %t, upgrade %t", tt.algorithm, hash, ok, upgrade)
		}
	}
}
