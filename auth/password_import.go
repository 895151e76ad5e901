package auth

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/md5crypt"
	"github.com/go-crypt/crypt/algorithm/pbkdf2"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// What verifying an imported hash may cost beside memory: some two seconds of one processor, with the longest password.
const (
	maxHashLength   = 512
	maxLanes        = 16
	maxArgon2KiB    = 1 << 20 // memory × passes
	maxBcryptCost   = 14
	maxPBKDF2Rounds = 5_000_000 // × blocks of output
	maxScryptKiB    = 1 << 19   // memory × lanes
	maxSHARounds    = 1_000_000 // a round hashes the whole password
	bcryptBytes     = 72
)

// CheckImported reports why a hash from another system cannot be taken over, as an InvalidRequest. It allows, in their crypt or PHC
// form and nothing but it:
//
//   - argon2id, argon2i, argon2d version 19 with memory within the budget, up to 16 lanes, memory × passes up to 1 GiB
//   - bcrypt ($2a$, $2b$, $2y$) and passlib's bcrypt-sha256 version 2, cost 4 to 14
//   - pbkdf2 (SHA-1) and pbkdf2-sha1, -sha224, -sha256, -sha384, -sha512 as passlib writes them, up to 5,000,000 rounds times blocks of
//     output
//   - scrypt as passlib writes it, memory within the budget, memory × lanes up to 512 MiB, r up to 64
//   - sha256-crypt ($5$) and sha512-crypt ($6$) with 1,000 to 1,000,000 rounds, and md5-crypt ($1$)
//   - what Import made of a digest
//
// with salts of at least 8 bytes (sha-crypt and md5-crypt: one character) and keys of at least 16. It computes no hash.
func (h *Hasher) CheckImported(phc string) error {
	_, err := h.parse(phc)
	if err != nil {
		return &Error{Code: InvalidRequest, Field: passwordHashKey, Detail: err.Error()}
	}
	return nil
}

// storedHash is a hash whose form and cost have been checked.
type storedHash struct {
	digest    algorithm.Digest
	memoryKiB int64
	format    *hashFormat
	first     *fastDigest // what the password goes through before; nil for nothing
}

func (s *storedHash) match(password string) bool {
	if s.first != nil {
		password = s.first.of(password)
	}
	return s.digest.Match(password)
}

// takes reports whether the hash can stand for exactly this password. bcrypt reads only 72 bytes (row L-02); it, HMAC in PBKDF2
// and scrypt, and C strings in general read a password and the same one with NULs behind it alike.
func (s *storedHash) takes(password string) bool {
	if s.format.maxBytes > 0 && len(password) > s.format.maxBytes {
		return false
	}
	return s.format.takesNUL || !strings.Contains(password, "\x00")
}

// hashFormat is one family of stored hashes. Costs are read from the text and bounded before anything decodes it.
type hashFormat struct {
	pattern  *regexp.Regexp // its groups are what cost takes
	cost     func(h *Hasher, group []string) (memoryKiB int64, err error)
	decode   algorithm.DecodeFunc
	maxBytes int // of a password; 0: no limit of its own
	takesNUL bool
}

const (
	base64Salt  = `[A-Za-z0-9+/]{11,86}` // 8 to 64 bytes
	base64Key   = `[A-Za-z0-9+/]{22,86}` // 16 to 64 bytes
	adaptedSalt = `[A-Za-z0-9./]{11,86}` // base64 with . for +
	adaptedKey  = `([A-Za-z0-9./]{22,86})`
	number      = `([1-9][0-9]{0,8})`
)

var hashFormats = []*hashFormat{
	{
		pattern: regexp.MustCompile(
			`^\$argon2(?:id|i|d)\$v=19\$m=` + number + `,t=` + number + `,p=` + number + `\$` + base64Salt + `\$` + base64Key + `$`),
		cost:     argon2Cost,
		decode:   argon2.Decode,
		takesNUL: true,
	},
	{
		pattern:  regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[A-Za-z0-9./]{53}$`),
		cost:     bcryptCost,
		decode:   bcrypt.Decode,
		maxBytes: bcryptBytes,
	},
	{
		pattern: regexp.MustCompile(`^\$bcrypt-sha256\$v=2,t=2b,r=` + number + `\$[A-Za-z0-9./]{22}\$[A-Za-z0-9./]{31}$`),
		cost:    bcryptCost,
		decode:  bcrypt.Decode,
	},
	{
		pattern: regexp.MustCompile(
			`^\$pbkdf2(|-sha1|-sha224|-sha256|-sha384|-sha512)\$` + number + `\$` + adaptedSalt + `\$` + adaptedKey + `$`),
		cost:   pbkdf2Cost,
		decode: pbkdf2.Decode,
	},
	{
		pattern: regexp.MustCompile(`^\$scrypt\$ln=` + number + `,r=` + number + `,p=` + number + `\$` + base64Salt + `\$` + base64Key + `$`),
		cost:    scryptCost,
		decode:  scrypt.Decode,
	},
	{
		pattern: regexp.MustCompile(`^\$5\$(?:rounds=` + number + `\$)?[A-Za-z0-9./]{1,16}\$[A-Za-z0-9./]{43}$`),
		cost:    shaCryptCost,
		decode:  shacrypt.Decode,
	},
	{
		pattern: regexp.MustCompile(`^\$6\$(?:rounds=` + number + `\$)?[A-Za-z0-9./]{1,16}\$[A-Za-z0-9./]{86}$`),
		cost:    shaCryptCost,
		decode:  shacrypt.Decode,
	},
	{
		pattern: regexp.MustCompile(`^\$1\$[A-Za-z0-9./]{1,8}\$[A-Za-z0-9./]{22}$`),
		cost:    func(*Hasher, []string) (int64, error) { return 0, nil },
		decode:  md5crypt.Decode,
	},
}

var (
	errHashFormat = errors.New("the hash is in none of the known formats: argon2id, argon2i, argon2d, bcrypt, bcrypt-sha256, " +
		"pbkdf2, scrypt, sha256-crypt, sha512-crypt, md5-crypt")
	errHashEncoding = errors.New("the salt or key of the hash is not valid base64")
)

// parse checks a hash's form and bounds its cost, then decodes it. The text of its errors is safe for the client.
func (h *Hasher) parse(phc string) (*storedHash, error) {
	if len(phc) > maxHashLength {
		return nil, errHashFormat
	}
	for _, d := range fastDigests {
		rest, ok := strings.CutPrefix(phc, d.name+"+")
		switch {
		case !ok:
			continue
		case !strings.HasPrefix(rest, "$argon2id$"):
			return nil, errHashFormat
		}
		stored, err := h.parsePlain(rest)
		if err != nil {
			return nil, err
		}
		stored.first = d
		return stored, nil
	}
	return h.parsePlain(phc)
}

func (h *Hasher) parsePlain(phc string) (*storedHash, error) {
	for _, format := range hashFormats {
		group := format.pattern.FindStringSubmatch(phc)
		if group == nil {
			continue
		}
		memoryKiB, err := format.cost(h, group[1:])
		if err != nil {
			return nil, err
		}
		digest, err := format.decode(phc)
		if err != nil {
			return nil, errHashEncoding
		}
		return &storedHash{digest: digest, memoryKiB: memoryKiB, format: format}, nil
	}
	return nil, errHashFormat
}

func argon2Cost(h *Hasher, group []string) (int64, error) {
	memory, passes, lanes := parameter(group[0]), parameter(group[1]), parameter(group[2])
	// RFC 9106 §3.1: at least 8 KiB per lane.
	if memory > h.budgetKiB || memory*passes > maxArgon2KiB || lanes > maxLanes || memory < 8*lanes {
		return 0, fmt.Errorf(
			"the argon2 hash asks for %d KiB, %d passes, %d lanes; allowed are 8 KiB per lane to %d KiB, %d KiB times passes, %d lanes",
			memory, passes, lanes, h.budgetKiB, maxArgon2KiB, maxLanes)
	}
	return memory, nil
}

func bcryptCost(_ *Hasher, group []string) (int64, error) {
	if cost := parameter(group[0]); cost < 4 || cost > maxBcryptCost {
		return 0, fmt.Errorf("the bcrypt hash has cost %d; allowed are 4 to %d", cost, maxBcryptCost)
	}
	return 0, nil
}

func pbkdf2Cost(_ *Hasher, group []string) (int64, error) {
	size := int64(pbkdf2.NewVariant("pbkdf2" + group[0]).HashFunc()().Size())
	keySize := int64(len(group[2])) * 6 / 8
	blocks := (keySize + size - 1) / size
	if rounds := parameter(group[1]); rounds*blocks > maxPBKDF2Rounds {
		return 0, fmt.Errorf("the pbkdf2 hash has %d rounds times %d blocks; allowed are %d in all", rounds, blocks, maxPBKDF2Rounds)
	}
	return 0, nil
}

func scryptCost(h *Hasher, group []string) (int64, error) {
	logN, block, lanes := parameter(group[0]), parameter(group[1]), parameter(group[2])
	// The table takes 128·N·r bytes (RFC 7914 §2), beside which the rest is nothing. Its factors are bounded before they multiply.
	if logN <= 24 && block <= 64 && lanes <= maxLanes {
		memory := (block<<logN + 7) / 8
		if memory <= h.budgetKiB && memory*lanes <= maxScryptKiB {
			return memory, nil
		}
	}
	return 0, fmt.Errorf("the scrypt hash asks for ln=%d, r=%d, p=%d; allowed are %d KiB of memory, %d KiB times lanes, r up to 64, %d lanes",
		logN, block, lanes, h.budgetKiB, maxScryptKiB, maxLanes)
}

func shaCryptCost(_ *Hasher, group []string) (int64, error) {
	if group[0] == "" {
		return 0, nil
	}
	if rounds := parameter(group[0]); rounds < 1000 || rounds > maxSHARounds {
		return 0, fmt.Errorf("the sha-crypt hash has %d rounds; allowed are 1000 to %d", rounds, maxSHARounds)
	}
	return 0, nil
}

// parameter reads a number of at most nine digits, as the patterns make sure: two of them multiply without overflow.
func parameter(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
