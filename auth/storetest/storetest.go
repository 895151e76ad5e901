// Package storetest is the conformance suite of the store contracts in package auth: what every implementation must do, alone and
// under races. It knows nothing of how a store keeps its data.
package storetest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/auth/session"
)

// Store is everything package auth keeps.
type Store interface {
	auth.UserStore
	auth.OrgStore
	auth.ClientStore
	auth.APITokenStore
	auth.FamilyStore
	auth.CodeStore
	session.Store
	auth.Limiter
	factor.Store
	auth.PushedStore
	auth.DeviceStore
	auth.OnceStore
	auth.ConsentStore
	auth.OriginStore
	records.Store
	// HandlesIn returns what searches find an organisation's users by, each as "<handle> <user>", in order. It is the test's own look at
	// what a store keeps for others.
	HandlesIn(ctx context.Context, org string) ([]string, error)
}

// Run runs the whole suite over at least two instances of a store that share their data. The data need not be empty: the suite gives
// everything it makes a new name.
func Run(t *testing.T, instances ...Store) {
	if len(instances) < 2 {
		t.Fatal("storetest needs two instances that share their data")
	}
	s := suite{Store: instances[0], instances: instances, now: time.Now().Truncate(time.Millisecond).UTC()}
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"organisations", s.testOrganisations},
		{"clients", s.testClients},
		{"API tokens", s.testAPITokens},
		{"users", s.testUsers},
		{"passwords", s.testPasswords},
		{"handles", s.testHandles},
		{"deletion", s.testDeletion},
		{"lists", s.testLists},
		{"hostile names", s.testHostileNames},
		{"families", s.testFamilies},
		{"rotation", s.testRotation},
		{"family cap", s.testFamilyCap},
		{"end of logins", s.testEndLogins},
		{"access tokens", s.testAccessTokens},
		{"sessions", s.testSessions},
		{"session replacement", s.testSessionReplacement},
		{"session cap", s.testSessionCap},
		{"end of sessions", s.testEndSession},
		{"notices", s.testNotices},
		{"codes", s.testCodes},
		{"redemption", s.testRedemption},
		{"redemption cap", s.testRedemptionCap},
		{"limits", s.testLimits},
		{"record races", s.testRecordRaces},
		{"handle races", s.testHandleRaces},
		{"handle index", s.testHandleIndex},
		{"handle index races", s.testHandleIndexRaces},
		{"rotation races", s.testRotationRaces},
		{"ending races", s.testEndingRaces},
		{"login races", s.testLoginRaces},
		{"session races", s.testSessionRaces},
		{"notice races", s.testNoticeRaces},
		{"redemption races", s.testRedemptionRaces},
		{"factors", s.testFactors},
		{"factor races", s.testFactorRaces},
		{"pushed requests", s.testPushed},
		{"devices", s.testDevices},
		{"polling", s.testPolling},
		{"device races", s.testDeviceRaces},
		{"once", s.testOnce},
		{"consents", s.testConsents},
		{"consent races", s.testConsentRaces},
		{"origins", s.testOrigins},
		{"numbers", s.testNumbers},
		{"number races", s.testNumberRaces},
		{"numbers of users", s.testUserNumbers},
		{"number races of users", s.testUserNumberRaces},
		{"records", s.testRecordsOf},
		{"record names", s.testRecordNames},
		{"record needs", s.testRecordNeeds},
		{"record limits", s.testRecordLimits},
		{"record bytes", s.testRecordBytes},
		{"record repetitions", s.testRecordRepetitions},
		{"record owners", s.testRecordOwners},
		{"races for records", s.testRecordsOfRaces},
	} {
		t.Run(part.name, part.run)
	}
}

// suite is the first instance, with all of them beside it.
type suite struct {
	Store
	instances []Store
	now       time.Time
}

const (
	absolute = 24 * time.Hour
	idle     = time.Hour
	grace    = 30 * time.Second
)

// name returns a name nobody has, in the grammar of every kind of id.
func name() string { return strings.ToLower(rand.Text()) }

func (s *suite) newUser() auth.User {
	return auth.User{ID: name(), Username: name(), Orgs: []string{name()}, CreatedAt: s.now, UpdatedAt: s.now}
}

// user creates a user as changed by change.
func (s *suite) user(t *testing.T, change ...func(*auth.User)) auth.User {
	t.Helper()
	u := s.newUser()
	for _, c := range change {
		c(&u)
	}
	return s.putUser(t, u)
}

func (s *suite) putUser(t *testing.T, u auth.User, leftOrgs ...string) auth.User {
	t.Helper()
	var err error
	u.Version, err = s.PutUser(t.Context(), u, nil, leftOrgs, name())
	if err != nil {
		t.Fatalf("put a user: %v", err)
	}
	return u
}

// token is a refresh token as its client holds it.
type token struct {
	auth.FamilyRef
	client     string
	generation uint64
	secret     []byte
}

func newSecret() []byte {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return b
}

func hash(secret []byte) []byte {
	sum := sha256.Sum256(secret)
	return sum[:]
}

// wrap hides a successor under its predecessor, and is its own inverse.
func wrap(successor, predecessor []byte) []byte {
	out := make([]byte, len(successor))
	subtle.XORBytes(out, successor, hash(append([]byte("wrap"), predecessor...)))
	return out
}

func (s *suite) newFamily(u auth.User) auth.Family {
	return auth.Family{
		FamilyRef: auth.FamilyRef{User: u.ID, Org: u.Orgs[0], ID: name()}, Client: name(), Scope: "openid profile", AuthTime: s.now,
		AMR: []string{"pwd", "otp"}, Epoch: u.Epoch, ExpiresAt: s.now.Add(absolute), Generation: 1,
	}
}

// login starts a family of a user and returns its first token.
func (s *suite) login(t *testing.T, u auth.User) token {
	t.Helper()
	f, secret := s.newFamily(u), newSecret()
	if err := s.CreateFamily(t.Context(), f, hash(secret), s.now.Add(idle), 1000); err != nil {
		t.Fatalf("create a family: %v", err)
	}
	return token{f.FamilyRef, f.Client, 1, secret}
}

// rotation asks for the successor of k some time after the suite's beginning.
func (s *suite) rotation(k token, successor []byte, after time.Duration) auth.Rotation {
	now := s.now.Add(after)
	return auth.Rotation{
		Client: k.client, Presented: hash(k.secret), Generation: k.generation, Successor: hash(successor), Wrapped: wrap(successor, k.secret),
		Now: now, Grace: grace, IdleUntil: now.Add(idle),
	}
}

// refresh exchanges a token as its client would.
func (s *suite) refresh(ctx context.Context, store Store, k token, after time.Duration) (token, auth.Rotated, error) {
	rotated, err := store.Rotate(ctx, k.FamilyRef, s.rotation(k, newSecret(), after))
	if err != nil {
		return token{}, rotated, err
	}
	return token{k.FamilyRef, k.client, k.generation + 1, wrap(rotated.Wrapped, k.secret)}, rotated, nil
}

func (s *suite) mustRefresh(t *testing.T, k token, after time.Duration) token {
	t.Helper()
	next, _, err := s.refresh(t.Context(), s.Store, k, after)
	if err != nil {
		t.Fatalf("refresh generation %d: %v", k.generation, err)
	}
	return next
}

func (s *suite) mustNotRefresh(t *testing.T, k token, after time.Duration, field string) {
	t.Helper()
	_, _, err := s.refresh(t.Context(), s.Store, k, after)
	wantField(t, err, field)
}

// wantField is wantCode for an InvalidGrant with that field.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	wantCode(t, err, auth.InvalidGrant)
	if e, ok := err.(*auth.Error); ok && e.Field != field { //nolint:errorlint // the contract is the error itself
		t.Errorf("field %q, want %q", e.Field, field)
	}
}

func (s *suite) wantLive(t *testing.T, ref auth.FamilyRef, want bool) {
	t.Helper()
	live, _, err := s.Live(t.Context(), ref, name())
	if err != nil || live != want {
		t.Errorf("live is %v (%v), want %v", live, err, want)
	}
}

// wantCode stops the test unless err is an *auth.Error with that code.
func wantCode(t *testing.T, err error, want auth.Code) {
	t.Helper()
	if _, ok := err.(*auth.Error); !ok || auth.CodeOf(err) != want { //nolint:errorlint // the contract is the error itself
		t.Fatalf("error is %v, want %s", err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// together runs n calls at once, each on one of the instances, and waits for all.
func (s *suite) together(n int, call func(i int, store Store)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-start
			call(i, s.instances[i%len(s.instances)])
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}
