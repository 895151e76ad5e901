// Package backchannel tells clients that sessions have ended (OpenID Connect Back-Channel Logout 1.0). What is still to be told is in the
// store, so it outlives the process; any instance delivers it, at least once.
package backchannel

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
)

const (
	typeLogoutToken = "logout+jwt" // Back-Channel Logout §2.4
	tokenLifetime   = 2 * time.Minute

	timeout = 5 * time.Second
	// parallel notices are delivered at once. A batch is done before its lease ends, even if every client is as slow as can be.
	parallel = 8
	batch    = 4 * parallel
	lease    = 30 * time.Second
	maxBody  = 4 << 10

	firstDelay = 5 * time.Second
	lastDelay  = 10 * time.Minute
	giveUp     = 24 * time.Hour
)

// Sender delivers the notices that are due. Make one with New.
type Sender struct {
	Store    session.Store
	Registry *auth.Registry
	Keys     *keys.Ring
	Issuer   string
	Policy   Policy
	// Roots are the authorities whose certificates clients may have, nil for the system's.
	Roots *x509.CertPool
	// Audit gets "logout.notify" once for every notice, when it is delivered or given up.
	Audit  audit.Log
	Logger *slog.Logger
	Now    func() time.Time

	client *http.Client
	due    chan struct{}
}

// New completes a Sender.
func New(s Sender) *Sender {
	s.client = s.Policy.client(s.Roots)
	s.due = make(chan struct{}, 1)
	return &s
}

// Nudge makes Run look at once, since something has become due. It never blocks.
func (s *Sender) Nudge() {
	select {
	case s.due <- struct{}{}:
	default: // it will look anyway
	}
}

// Run delivers what is due, at once and at every tick and Nudge, until ctx ends.
func (s *Sender) Run(ctx context.Context, tick <-chan time.Time) {
	for {
		if err := s.deliver(ctx); err != nil && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "logout notices", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick:
		case <-s.due:
		}
	}
}

// errSilent is what a notice meets whose client has just not answered another: it waits without having been tried, so that one client
// that hangs does not make all others wait.
var errSilent = &auth.Error{Code: auth.Unavailable, Err: errors.New("this client has just not answered another notice")}

// deliver works until nothing is due.
func (s *Sender) deliver(ctx context.Context) error {
	var silent sync.Map
	for {
		due, err := s.Store.DueNotices(ctx, s.Now(), lease, batch)
		if err != nil {
			return err
		}
		failed := make([]error, len(due))
		var delivering sync.WaitGroup
		places := make(chan struct{}, parallel)
		for i, n := range due {
			places <- struct{}{}
			delivering.Go(func() {
				failed[i] = s.one(ctx, n, &silent)
				<-places
			})
		}
		delivering.Wait()
		if err := errors.Join(failed...); err != nil || len(due) < batch {
			return err
		}
	}
}

// one tries to deliver a notice, and settles it or puts it off. Its error is the store's; the notice is due again when its lease ends.
func (s *Sender) one(ctx context.Context, n session.Notice, silent *sync.Map) error {
	var err error = errSilent
	if _, known := silent.Load(n.Client); !known {
		err = s.tell(ctx, n)
	}
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	if auth.CodeOf(err) == auth.Unavailable {
		silent.Store(n.Client, true)
	}
	now := s.Now()
	next := now.Add(delay(now.Sub(n.Since)))
	if err != nil && !final(err) && next.Before(n.Since.Add(giveUp)) {
		s.Logger.WarnContext(ctx, "logout notice not delivered", slog.String("client", n.Client), slog.Time("again", next), slog.Any("error", err))
		return s.Store.RetryNotice(ctx, n, next)
	}
	if err != nil {
		s.Logger.WarnContext(ctx, "logout notice given up", slog.String("client", n.Client), slog.Any("error", err))
	}
	if err := s.Store.DropNotice(ctx, n); err != nil {
		return err
	}
	e := auth.Outcome("logout.notify", "user:"+n.User, err)
	e.Org, e.Target = n.Org, "client:"+n.Client
	s.Audit.Record(ctx, e)
	return nil
}

// delay doubles the time that has passed since the session ended.
func delay(passed time.Duration) time.Duration { return min(max(passed, firstDelay), lastDelay) }

// final reports whether trying again is no use.
func final(err error) bool {
	code := auth.CodeOf(err)
	return code == auth.InvalidClient || code == auth.InvalidRequest
}

// tell sends one logout request (Back-Channel Logout §2.5). InvalidClient: the client is gone, disabled, or wants to hear no more.
// InvalidRequest: it refuses to log the user out. Everything else may be better next time.
func (s *Sender) tell(ctx context.Context, n session.Notice) error {
	client, err := s.Registry.Standing(ctx, n.Client, n.Org, n.Since)
	if err != nil {
		return err
	}
	if client.BackchannelLogoutURI == "" {
		return &auth.Error{Code: auth.InvalidClient, Detail: "the client has no address for this"}
	}
	token, err := s.token(client, n)
	if err != nil {
		return &auth.Error{Code: auth.Unavailable, Err: err}
	}
	status, err := s.post(ctx, client.BackchannelLogoutURI, token)
	switch {
	case err != nil:
		return &auth.Error{Code: auth.Unavailable, Err: err}
	case status == http.StatusOK, status == http.StatusNoContent: // §2.8: some frameworks turn the one into the other
		return nil
	case status == http.StatusBadRequest: // §2.8: the request was invalid or the logout failed
		return &auth.Error{Code: auth.InvalidRequest, Detail: "the client refused"}
	}
	return &auth.Error{Code: auth.Unavailable, Err: fmt.Errorf("status %d", status)}
}

// token makes a logout token (§2.4), signed like the client's ID tokens.
func (s *Sender) token(client *auth.Client, n session.Notice) (string, error) {
	now := s.Now()
	t := claims.LogoutToken{
		Issuer: s.Issuer, Subject: n.User, Audience: client.ID, ID: rand.Text(), SessionID: n.Family,
		IssuedAt: now, ExpiresAt: now.Add(tokenLifetime),
	}
	alg := client.IDTokenAlg
	if alg == "" {
		alg = auth.DefaultIDTokenAlg
	}
	return s.Keys.Sign(alg, typeLogoutToken, t.AppendJSON(make([]byte, 0, 512)))
}

func (s *Sender) post(ctx context.Context, address, token string) (status int, err error) {
	form := url.Values{"logout_token": {token}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Claimsmith")
	response, err := s.client.Do(r)
	var failed *url.Error
	if errors.As(err, &failed) {
		return 0, failed.Err // without the address, whose query may be a secret (row P-02)
	}
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxBody) // so that the connection can be used again
	return response.StatusCode, nil
}
