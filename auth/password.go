package auth

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/text/unicode/norm"
)

// HashConfig says what hashing passwords may cost. A zero field takes its default.
type HashConfig struct {
	// MemoryKiB, Time (passes) and Parallelism (lanes) are the argon2id parameters of new hashes; at least, and by default,
	// 19456, 2 and 1 (OWASP Password Storage Cheat Sheet).
	MemoryKiB   int
	Time        int
	Parallelism int
	// MemoryBudgetMiB is the memory all hashing together may take, by default 128. It bounds how many hashes are computed at
	// once to MemoryBudgetMiB / MemoryKiB; more of them than processors gain no throughput. A stored hash that needs more than
	// the whole budget matches no password.
	MemoryBudgetMiB int
	// MinLength is how many characters a new password has at least: 8 or more, by default 8.
	MinLength int
	// MaxWait is how long a call waits for its turn before it fails with Busy; by default two seconds.
	MaxWait time.Duration
}

// The bounds of HashConfig, which are its defaults too, and what a password may be.
const (
	minMemoryKiB    = 19456
	minTime         = 2
	minParallelism  = 1
	defaultBudget   = 128
	minLength       = 8
	defaultMaxWait  = 2 * time.Second
	saltBytes       = 16
	keyBytes        = 32
	maxPassword     = 1024 // bytes
	waitersPerSlot  = 16
	productName     = "claimsmith"
	maxAroundWord   = 4 // characters
	passwordField   = "password"
	passwordHashKey = "password_hash"
)

// Hasher computes and verifies password hashes. Passwords are brought to NFC once and otherwise taken as they are: nothing is
// trimmed, cut or folded, NUL and white space count.
//
// All computation, of whatever hash, passes one gate: what is computed at the same time takes no more memory than the budget,
// a bounded number of calls waits for their turn in order of arrival, and every further one fails with Busy at once (row L-03). A
// call whose context ends while it waits fails with Busy too, wrapping the context's error. A computation that has begun
// is not interrupted. Hashers are safe for concurrent use.
type Hasher struct {
	argon2     *argon2.Hasher
	dummy      algorithm.Digest
	prefix     string // of every hash with the current parameters
	length     int    // of every such hash
	memoryKiB  int64
	budgetKiB  int64
	minLength  int
	maxWait    time.Duration
	gate       *semaphore.Weighted
	waiting    atomic.Int64
	maxWaiting int64
}

// NewHasher checks a configuration and computes one hash.
func NewHasher(c HashConfig) (*Hasher, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("password hashing: %w", err)
	}
	current, err := argon2.New(
		argon2.WithVariantID(), argon2.WithM(uint32(c.MemoryKiB)), //nolint:gosec // validate has bounded it
		argon2.WithT(c.Time), argon2.WithP(c.Parallelism),
		argon2.WithS(saltBytes), argon2.WithK(keyBytes),
	)
	if err != nil {
		return nil, fmt.Errorf("password hashing: %w", err)
	}
	dummy, err := current.Hash(rand.Text())
	if err != nil {
		return nil, fmt.Errorf("password hashing: %w", err)
	}
	phc := dummy.Encode()
	budget := int64(c.MemoryBudgetMiB) * 1024
	return &Hasher{
		argon2:     current,
		dummy:      dummy,
		prefix:     phc[:strings.LastIndex(phc[:strings.LastIndex(phc, "$")], "$")+1],
		length:     len(phc),
		memoryKiB:  int64(c.MemoryKiB),
		budgetKiB:  budget,
		minLength:  c.MinLength,
		maxWait:    c.MaxWait,
		gate:       semaphore.NewWeighted(budget),
		maxWaiting: waitersPerSlot * (budget / int64(c.MemoryKiB)),
	}, nil
}

func (c HashConfig) withDefaults() HashConfig {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.MemoryKiB, minMemoryKiB)
	def(&c.Time, minTime)
	def(&c.Parallelism, minParallelism)
	def(&c.MemoryBudgetMiB, defaultBudget)
	def(&c.MinLength, minLength)
	if c.MaxWait == 0 {
		c.MaxWait = defaultMaxWait
	}
	return c
}

func (c HashConfig) validate() error {
	var errs []error
	check := func(name string, got, low, high int) {
		if got < low || got > high {
			errs = append(errs, fmt.Errorf("%s is %d, allowed are %d to %d", name, got, low, high))
		}
	}
	check("memory in KiB", c.MemoryKiB, minMemoryKiB, maxArgon2KiB/minTime)
	check("time", c.Time, minTime, maxArgon2KiB/max(c.MemoryKiB, minMemoryKiB))
	check("parallelism", c.Parallelism, minParallelism, maxLanes)
	check("memory budget in MiB", c.MemoryBudgetMiB, (c.MemoryKiB+1023)/1024, 1<<20)
	check("minimum length", c.MinLength, minLength, 128)
	if c.MaxWait < 0 {
		errs = append(errs, fmt.Errorf("longest wait is %s, allowed is 0 or more", c.MaxWait))
	}
	return errors.Join(errs...)
}

// Hash returns the argon2id PHC string of a new password, or an InvalidRequest that says why the password is refused: too short, too
// long, among the most common ones, or little more than one of the names, which are the user's own and his organisations'
// (row L-05).
func (h *Hasher) Hash(ctx context.Context, password string, names ...string) (string, error) {
	if err := h.Check(password, names...); err != nil {
		return "", err
	}
	return h.Rehash(ctx, password)
}

// Check reports why Hash would refuse a password, and computes nothing.
func (h *Hasher) Check(password string, names ...string) error {
	password, err := normalise(password)
	if err != nil {
		return err
	}
	return h.checkNew(password, names)
}

// Rehash is Hash for a password the user already has: the rules for new ones do not apply.
func (h *Hasher) Rehash(ctx context.Context, password string) (string, error) {
	password, err := normalise(password)
	if err != nil {
		return "", err
	}
	return h.hash(ctx, password)
}

// Verify reports whether the password is the one of the stored hash, and if so, whether the hash should be replaced by one with the
// current parameters. A hash that CheckImported refuses, or that cannot stand for the password, matches nothing and
// costs what Dummy costs. An imported hash costs what it says: until its user logs in, the time taken tells it from a current one.
//
// The error is Busy, or InvalidRequest for a password over 1 KiB; both say nothing about the hash.
func (h *Hasher) Verify(ctx context.Context, phc, password string) (ok, needsUpgrade bool, err error) {
	password, err = normalise(password)
	if err != nil {
		return false, false, err
	}
	stored, refused := h.parse(phc)
	if refused != nil || !stored.takes(password) {
		return false, false, h.compareDummy(ctx, password)
	}
	err = h.run(ctx, stored.memoryKiB, func() { ok = stored.match(password) })
	return ok, ok && !h.current(phc), err
}

// Dummy spends what verifying a hash with the current parameters costs, for a user who is unknown, disabled or without a password
// (row L-06). Its errors are those of Verify.
func (h *Hasher) Dummy(ctx context.Context, password string) error {
	password, err := normalise(password)
	if err != nil {
		return err
	}
	return h.compareDummy(ctx, password)
}

func (h *Hasher) compareDummy(ctx context.Context, password string) error {
	return h.run(ctx, h.memoryKiB, func() { h.dummy.Match(password) })
}

func (h *Hasher) hash(ctx context.Context, password string) (phc string, err error) {
	var failed error
	err = h.run(ctx, h.memoryKiB, func() {
		var digest algorithm.Digest
		if digest, failed = h.argon2.Hash(password); failed == nil {
			phc = digest.Encode()
		}
	})
	if failed != nil {
		return "", fmt.Errorf("hash password: %w", failed)
	}
	return phc, err
}

// current reports whether a hash that parsed has the current parameters, salt and key lengths included.
func (h *Hasher) current(phc string) bool {
	return strings.HasPrefix(phc, h.prefix) && len(phc) == h.length
}

// run does work that takes memory when its turn comes.
func (h *Hasher) run(ctx context.Context, memoryKiB int64, work func()) error {
	// No computation counts less than a current one, so that the gate bounds the processors' load as well.
	weight := max(memoryKiB, h.memoryKiB)
	if err := h.enter(ctx, weight); err != nil {
		return &Error{
			Code: Busy, Detail: "too many passwords are being checked, try again later", RetryAfter: max(h.maxWait, time.Second),
			Err: err,
		}
	}
	defer h.gate.Release(weight)
	work()
	return nil
}

var errQueueFull = errors.New("the queue for hashing is full")

func (h *Hasher) enter(ctx context.Context, weight int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.gate.TryAcquire(weight) {
		return nil
	}
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > h.maxWaiting {
		return errQueueFull
	}
	ctx, cancel := context.WithTimeout(ctx, h.maxWait)
	defer cancel()
	return h.gate.Acquire(ctx, weight)
}

func normalise(password string) (string, error) {
	if len(password) > maxPassword {
		return "", refusePassword(fmt.Sprintf("a password has at most %d bytes", maxPassword))
	}
	return norm.NFC.String(password), nil
}

func refusePassword(why string) error {
	return &Error{Code: InvalidRequest, Field: passwordField, Detail: why}
}

// The passwords everybody tries first, one a line; # begins a comment.
//
//go:embed common_passwords.txt
var commonPasswordsText string

var commonPasswords = func() map[string]bool {
	set := make(map[string]bool)
	for line := range strings.Lines(commonPasswordsText) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' {
			set[line] = true
		}
	}
	return set
}()

func (h *Hasher) checkNew(password string, names []string) error {
	if !utf8.ValidString(password) {
		return refusePassword("the password is not valid UTF-8")
	}
	characters := utf8.RuneCountInString(password)
	if characters < h.minLength {
		return refusePassword(fmt.Sprintf("a password has at least %d characters", h.minLength))
	}
	folded := strings.ToLower(password)
	if commonPasswords[folded] {
		return refusePassword("this password is among the most common ones")
	}
	for _, name := range append([]string{productName}, names...) {
		name = strings.ToLower(name)
		if strings.Contains(folded, name) && characters-utf8.RuneCountInString(name) <= maxAroundWord {
			return refusePassword("the password is little more than the name of the user, an organisation or this product")
		}
	}
	return nil
}
