package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func fieldOf(err error) string {
	var e *auth.Error
	if errors.As(err, &e) {
		return e.Field
	}
	return ""
}

func TestClientsAreNumbered(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := newServices(t, b)
		for _, builtIn := range []string{auth.LoginClient, auth.ConsoleClient} {
			if c := s.client(auth.DefaultOrg, builtIn, nil); c.Number != 0 {
				t.Errorf("%s has number %d", builtIn, c.Number)
			}
		}
		if c := s.client(auth.DefaultOrg, "first", nil); c.Number != 1 {
			t.Errorf("the first client has number %d", c.Number)
		}
		if c := s.client("acme", "second", nil); c.Number != 2 {
			t.Errorf("the second client has number %d", c.Number)
		}
		// One that could not be made, and one that is back.
		_, _, err := s.clients.Create(t.Context(), auth.System(), auth.DefaultOrg, auth.NewClient{ID: "first"})
		s.wantError("a client of that id", err, auth.Conflict, "client_id")
		s.must(s.clients.Delete(t.Context(), auth.System(), auth.DefaultOrg, "first", nil))
		if c := s.client("acme", "third", nil); c.Number != 3 {
			t.Errorf("the third client has number %d", c.Number)
		}
		if c := s.client(auth.DefaultOrg, "first", nil); c.Number != 1 {
			t.Errorf("the first client came back as number %d", c.Number)
		}
		// Changes leave the number, and give one to whoever has none.
		name := "renamed"
		if c := s.update("acme", "second", auth.ClientChange{Name: &name}); c.Number != 2 {
			t.Errorf("after a change number 2 has %d", c.Number)
		}
		_, err = s.store.PutClient(t.Context(), auth.Client{ID: "old", Org: "acme"}, "from before numbers")
		s.must(err)
		if c := s.update("acme", "old", auth.ClientChange{}); c.Number != 4 {
			t.Errorf("a client from before numbers has %d", c.Number)
		}
		if c := s.update(auth.DefaultOrg, auth.LoginClient, auth.ClientChange{Name: &name}); c.Number != 0 {
			t.Errorf("after a change %s has number %d", auth.LoginClient, c.Number)
		}
	})
}

func TestApplicationsAreFoundByNumber(t *testing.T) {
	b := redistest.Embedded(t)
	s := newServices(t, b)
	ctx, yes, no := t.Context(), true, false
	own := s.client("acme", "own", nil)
	wide := s.client(auth.DefaultOrg, "wide", func(n *auth.NewClient) { n.AllOrgs = &yes })
	find := func(org string, number uint64, want string) {
		t.Helper()
		c, err := s.registry.Application(ctx, org, number)
		if want != "" {
			if err != nil || c.ID != want || c.Number != number {
				t.Errorf("number %d in %s is %+v (%v), want %s", number, org, c, err, want)
			}
			return
		}
		// Whatever it is for, it is told alike.
		if auth.CodeOf(err) != auth.NotFound || err.Error() != "not_found: no such application" {
			t.Errorf("number %d in %s: %v", number, org, err)
		}
	}
	for range 2 {
		find("acme", own.Number, "own")
		find(auth.DefaultOrg, own.Number, "")
		find("acme", wide.Number, "wide")
		find(auth.DefaultOrg, wide.Number, "wide")
		find("acme", 0, "")
		find("acme", 3, "")
		find("acme", 1<<63, "")
	}
	s.client("acme", "third", nil)
	find("acme", 3, "third") // that there was none is not remembered

	// A change shows at the instance that makes it at once, and at another after a while.
	other := instanceOver(t, &durable.Runner{Client: b.Client}, s.clock)
	if _, err := other.registry.Application(ctx, "acme", own.Number); err != nil {
		t.Fatal(err)
	}
	s.update("acme", "own", auth.ClientChange{Disabled: &yes})
	find("acme", own.Number, "")
	s.clock.Advance(auth.Recency)
	_, err := other.registry.Application(ctx, "acme", own.Number)
	s.wantError("a disabled client", err, auth.NotFound, "")
	s.update("acme", "own", auth.ClientChange{Disabled: &no})
	find("acme", own.Number, "own")
	_, err = s.orgs.Update(ctx, auth.System(), "acme", nil, auth.OrgChange{Disabled: &yes})
	s.must(err)
	find("acme", own.Number, "")
	_, err = s.orgs.Update(ctx, auth.System(), "acme", nil, auth.OrgChange{Disabled: &no})
	s.must(err)
	s.must(s.clients.Delete(ctx, auth.System(), "acme", "own", nil))
	find("acme", own.Number, "")

	s.must(b.Client.Close())
	s.registry.Forget()
	for _, number := range []uint64{wide.Number, 99} {
		_, err := s.registry.Application(ctx, "acme", number)
		s.wantError("without the store", err, auth.Unavailable, "")
	}
}

func TestDirectoryHasTheListedClients(t *testing.T) {
	b := redistest.Embedded(t)
	s := newServices(t, b)
	ctx, yes, no := t.Context(), true, false
	listed := func(n *auth.NewClient) { n.Listed = &yes }
	directory := func(of *services, org string) (ids []string) {
		t.Helper()
		clients, err := of.registry.Directory(ctx, org)
		s.must(err)
		for _, c := range clients {
			ids = append(ids, c.ID)
		}
		return ids
	}
	want := func(org string, ids ...string) {
		t.Helper()
		if got := directory(s, org); !slices.Equal(got, ids) {
			t.Errorf("the directory of %s is %q, want %q", org, got, ids)
		}
	}
	want("acme")
	for _, id := range []string{"zebra", "mule", "ape"} {
		s.client("acme", id, listed)
	}
	s.client("acme", "hidden", nil)
	s.client(auth.DefaultOrg, auth.LoginClient, func(n *auth.NewClient) { n.Listed, n.AllOrgs = &yes, &yes })
	s.client(auth.DefaultOrg, "elsewhere", listed)
	want("acme", "zebra", "mule", "ape") // in the order they were made
	want(auth.DefaultOrg, "elsewhere")
	other := instanceOver(t, &durable.Runner{Client: b.Client}, s.clock)
	directory(other, "acme")

	s.update("acme", "mule", auth.ClientChange{Disabled: &yes})
	s.update("acme", "zebra", auth.ClientChange{Listed: &no})
	want("acme", "ape")
	if got := directory(other, "acme"); len(got) != 3 {
		t.Errorf("another instance has %q at once", got)
	}
	s.clock.Advance(auth.DirectoryRecency - time.Second)
	if got := directory(other, "acme"); len(got) != 3 {
		t.Errorf("another instance has %q after a while", got)
	}
	s.clock.Advance(time.Second)
	if got := directory(other, "acme"); !slices.Equal(got, []string{"ape"}) {
		t.Errorf("another instance has %q in the end", got)
	}
	_, err := s.orgs.Update(ctx, auth.System(), "acme", nil, auth.OrgChange{Disabled: &yes})
	s.must(err)
	for _, org := range []string{"acme", "nowhere", "", "No Slug"} {
		_, err := s.registry.Directory(ctx, org)
		s.wantError("directory of "+org, err, auth.NotFound, "")
	}
}

// waiting is a store of clients in which lists wait to be let through.
type waiting struct {
	auth.ClientStore
	begun, pass chan struct{}
}

func (w waiting) Clients(ctx context.Context, org string, p auth.Page) ([]auth.Client, string, error) {
	w.begun <- struct{}{}
	select {
	case <-w.pass:
		return w.ClientStore.Clients(ctx, org, p)
	case <-ctx.Done():
		return nil, "", &auth.Error{Code: auth.Unavailable, Err: ctx.Err()}
	}
}

func TestDirectoryIsReadOnceForAllWhoAsk(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	yes := true
	s.client("acme", "app", func(n *auth.NewClient) { n.Listed = &yes })
	const room = 10 // for lists that must not be asked for
	store := waiting{s.store, make(chan struct{}, room), make(chan struct{})}
	s.registry.ClientStore = store
	gone, leave := context.WithCancel(t.Context())
	answers := make(chan error)
	ask := func(ctx context.Context) {
		_, err := s.registry.Directory(ctx, "acme")
		answers <- err
	}

	// The first who asks goes away while the list is read, another comes and goes as well.
	go ask(gone)
	<-store.begun
	leave()
	s.wantError("who goes away", <-answers, auth.Unavailable, "")
	_, err := s.registry.Directory(gone, "acme")
	s.wantError("who does not wait", err, auth.Unavailable, "")
	store.pass <- struct{}{}
	go ask(t.Context())
	s.must(<-answers)
	if n := len(store.begun); n != 0 {
		t.Errorf("the list was read %d times more", n)
	}

	// What is under way when there is a change is not for those who ask afterwards.
	s.clock.Advance(auth.DirectoryRecency)
	go ask(t.Context())
	<-store.begun
	s.registry.Forget()
	go ask(t.Context())
	<-store.begun
	close(store.pass)
	s.must(<-answers)
	s.must(<-answers)

	// A failure is not remembered.
	s.registry.Forget()
	s.registry.ClientStore = waiting{unlisted{s.store}, make(chan struct{}, room), store.pass}
	_, err = s.registry.Directory(t.Context(), "acme")
	s.wantError("a failure", err, auth.Unavailable, "")
	s.registry.ClientStore = s.store
	_, err = s.registry.Directory(t.Context(), "acme")
	s.must(err)
}

// unlisted is a store of clients that cannot list them.
type unlisted struct{ auth.ClientStore }

func (unlisted) Clients(context.Context, string, auth.Page) ([]auth.Client, string, error) {
	return nil, "", &auth.Error{Code: auth.Unavailable}
}

func TestDirectoryIsBounded(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	for n := range auth.MaxListed + 50 {
		// Numbered against the order of the ids.
		c := auth.Client{ID: fmt.Sprintf("c%d", n), Org: "acme", Listed: true, Number: uint64(2*auth.MaxListed - n)}
		_, err := s.store.PutClient(t.Context(), c, c.ID)
		s.must(err)
	}
	listed, err := s.registry.Directory(t.Context(), "acme")
	s.must(err)
	if len(listed) != auth.MaxListed || listed[0].Number != auth.MaxListed-49 {
		t.Errorf("%d are listed, the first is number %d", len(listed), listed[0].Number)
	}
	if !slices.IsSortedFunc(listed, func(a, b *auth.Client) int { return int(a.Number) - int(b.Number) }) {
		t.Error("they are in no order")
	}
}

func TestClientsDescribeThemselves(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	long := strings.Repeat("ü", 1000)
	for _, good := range []string{"", "Orders and invoices", long} {
		if c := s.client("acme", "c"+fmt.Sprint(len(good)), func(n *auth.NewClient) { n.Description = &good }); c.Description != good {
			t.Errorf("described as %q", c.Description)
		}
	}
	for _, bad := range []string{long + "x", "two\nlines", "\x00", "\u202e\u2028", "\xff"} {
		_, _, err := s.clients.Create(t.Context(), auth.System(), "acme", auth.NewClient{
			ID: "bad", ClientChange: auth.ClientChange{Description: &bad},
		})
		s.wantError(fmt.Sprintf("%.10q", bad), err, auth.InvalidRequest, "description")
	}
}

// A client may be told the passwords of those who register exactly if it may be told them at a login.
func TestSelfRegistrationNeedsThePasswordGrant(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	ctx, yes, no := t.Context(), true, false
	codes, callback := []string{auth.GrantAuthorizationCode}, []string{"https://app.example/cb"}
	for _, firstParty := range []bool{false, true} {
		_, _, err := s.clients.Create(ctx, auth.System(), "acme", auth.NewClient{ClientChange: auth.ClientChange{
			SelfRegistration: &yes, FirstParty: &firstParty, GrantTypes: &codes, RedirectURIs: &callback,
		}})
		s.wantError(fmt.Sprint("first party ", firstParty), err, auth.InvalidRequest, "self_registration")
	}
	c := s.client("acme", "app", func(n *auth.NewClient) { n.SelfRegistration = &yes })
	warned := func(c auth.Client) bool {
		return slices.ContainsFunc(c.Warnings(), func(w auth.Warning) bool { return w.Code == "self_registration" })
	}
	if !c.SelfRegistration || !warned(c) {
		t.Errorf("self registration %t, warnings %v", c.SelfRegistration, c.Warnings())
	}
	_, err := s.clients.Update(ctx, auth.System(), "acme", "app", nil, auth.ClientChange{GrantTypes: &codes, RedirectURIs: &callback})
	s.wantError("taking the grant away", err, auth.InvalidRequest, "self_registration")
	_, err = s.clients.Update(ctx, auth.System(), "acme", "app", nil, auth.ClientChange{FirstParty: &no})
	s.wantError("making it a third party's", err, auth.InvalidRequest, "grant_types")
	if c := s.update("acme", "app", auth.ClientChange{SelfRegistration: &no}); c.SelfRegistration || warned(c) {
		t.Errorf("self registration %t, warnings %v", c.SelfRegistration, c.Warnings())
	}
	if c := s.client("acme", "plain", nil); c.SelfRegistration || c.Listed {
		t.Errorf("a new client has %+v", c)
	}
}
