package career_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/records"
)

// meanwhile is a store that somebody else uses too: after every read of a career, and before every change of a record.
type meanwhile struct {
	records.Store
	reads        int
	read, change func()
}

func (m *meanwhile) Records(ctx context.Context, c records.Collection, others ...string) ([]records.Record, error) {
	all, err := m.Store.Records(ctx, c, others...)
	m.reads++
	if m.read != nil {
		m.read()
	}
	return all, err
}

func (m *meanwhile) UpdateRecord(ctx context.Context, c records.Collection, r records.Record, op string) (records.Record, error) {
	if m.change != nil {
		m.change()
	}
	return m.Store.UpdateRecord(ctx, c, r, op)
}

// shared is a kit whose store somebody else uses too, and that somebody.
func shared(t *testing.T) (*kit, *meanwhile, *career.Service) {
	t.Helper()
	k := newKit(t)
	others := &career.Service{Service: &records.Service{Store: k.Store, Users: k.Users}, Audit: k.Audit, Now: k.Now}
	m := &meanwhile{Store: k.Store}
	k.Store = m
	return k, m, others
}

func named(name string) map[string]jsontext.Value {
	return map[string]jsontext.Value{"name": jsontext.Value(fmt.Sprintf("%q", name))}
}

func studied(at uint64) map[string]jsontext.Value {
	return map[string]jsontext.Value{
		"institution_id": jsontext.Value(fmt.Sprint(at)), "start_date": jsontext.Value(`"2020-01-01"`),
	}
}

// An item is shown with what it named at that moment, whatever it names in the next one, and one look is enough for that.
func TestListIsOfOneMoment(t *testing.T) {
	k, m, others := shared(t)
	ctx := t.Context()
	first, err := others.Create(ctx, k.jane, org, "me", career.Institutions, named("MIT"))
	wantCode(t, err, "")
	one, err := others.Create(ctx, k.jane, org, "me", career.Education, studied(first.ID))
	wantCode(t, err, "")
	at := first.ID
	move := func() {
		to, err := others.Create(ctx, k.jane, org, "me", career.Institutions, named("ETH"))
		wantCode(t, err, "")
		_, err = others.Update(ctx, k.jane, org, "me", career.Education, one.ID, studied(to.ID))
		wantCode(t, err, "")
		wantCode(t, others.Delete(ctx, k.jane, org, "me", career.Institutions, at), "")
		at = to.ID
	}
	m.read = move
	items, err := k.List(ctx, k.jane, org, "me", career.Education)
	wantCode(t, err, "")
	if len(items) != 1 || items[0].Of == nil || items[0].Of.ID != first.ID || string(items[0].Of.Members["name"]) != `"MIT"` {
		t.Errorf("listed are %+v", items)
	}
	if m.reads != 1 {
		t.Errorf("a list took %d reads", m.reads)
	}
	m.read, m.reads = nil, 0
	changed, err := k.Update(ctx, k.jane, org, "me", career.Education, one.ID, studied(at))
	wantCode(t, err, "")
	if changed.Of == nil || changed.Of.ID != at || m.reads != 1 {
		t.Errorf("%+v was changed in %d reads", changed, m.reads)
	}
}

// The last change stands, and who is overtaken again and again is told to try later: he set no condition that could have failed.
func TestUpdateThatIsOvertaken(t *testing.T) {
	k, m, others := shared(t)
	ctx := t.Context()
	made, err := others.Create(ctx, k.jane, org, "me", career.Companies, named("Initech"))
	wantCode(t, err, "")
	left := 3
	m.change = func() {
		if left--; left >= 0 {
			_, err := others.Update(ctx, k.jane, org, "me", career.Companies, made.ID, named("theirs"))
			wantCode(t, err, "")
		}
	}
	update := func() error {
		_, err := k.Update(ctx, k.jane, org, "me", career.Companies, made.ID, named("mine"))
		return err
	}
	wantName := func(want string) {
		t.Helper()
		items, err := others.List(ctx, k.jane, org, "me", career.Companies)
		if err != nil || len(items) != 1 || string(items[0].Members["name"]) != want {
			t.Fatalf("%+v, %v", items, err)
		}
	}
	wantCode(t, update(), "")
	wantName(`"mine"`)
	left = 1000
	refused, ok := errors.AsType[*auth.Error](update())
	if !ok || refused.Code != auth.Busy || refused.RetryAfter != time.Second {
		t.Errorf("overtaken for good: %v", refused)
	}
	wantName(`"theirs"`)
}

// Who is not shown is not numbered.
func TestOnlyWhoIsShownIsNumbered(t *testing.T) {
	k := newKit(t)
	ctx := t.Context()
	numbered := func() bool {
		t.Helper()
		for n := range uint64(20) {
			id, err := k.Users.Store.NumberedUser(ctx, n)
			wantCode(t, err, "")
			if id != "" {
				return true
			}
		}
		return false
	}
	_, err := k.List(ctx, k.jane, org, "me", career.Companies)
	wantCode(t, err, "")
	if _, err = k.Create(ctx, k.jane, org, "me", career.Companies, nil); err == nil {
		t.Error("a company without a name was made")
	}
	_, err = k.Update(ctx, k.jane, org, "me", career.Companies, 1, named("x"))
	wantCode(t, err, auth.NotFound)
	wantCode(t, k.Delete(ctx, k.jane, org, "me", career.Companies, 1), auth.NotFound)
	if numbered() {
		t.Error("who was not shown has a number")
	}
	made, err := k.Create(ctx, k.jane, org, "me", career.Companies, named("x"))
	wantCode(t, err, "")
	if !numbered() || made.Person.Number == 0 {
		t.Errorf("what was shown is %+v", made)
	}
}

// What is too large together with all the rest is refused for its size, and not as one of too many, nor as overtaken by others.
func TestTooLargeTogether(t *testing.T) {
	k := newKit(t)
	ctx := t.Context()
	fill := func() {
		in := records.Collection{Org: org, User: jane, Kind: "filling"}
		size := 1 << 20
		for n := 0; size > 0; n++ {
			_, err := k.Store.CreateRecord(ctx, in, records.Record{Body: make([]byte, size)}, fmt.Sprint("fill ", n, size, k.now), 1000)
			if err != nil {
				wantCode(t, err, auth.Conflict)
				size /= 2
			}
		}
	}
	add := func(link string) error {
		_, err := k.AddToResume(ctx, k.jane, org, "me", func(yield func(career.Part, error) bool) {
			yield(career.Part{Field: "link_1", Body: strings.NewReader(link)}, nil)
		})
		return err
	}
	wantFault := func(err error) {
		t.Helper()
		faults, ok := errors.AsType[career.Faults](err)
		if !ok || len(faults) != 1 || len(faults[""]) != 1 || !strings.Contains(faults[""][0], "4 MiB") {
			t.Errorf("%v, want a fault that tells the bound", err)
		}
	}
	fill()
	wantFault(add("https://x.example"))
	_, err := k.Create(ctx, k.jane, org, "me", career.Companies, named("x"))
	if wantCode(t, err, auth.Conflict); !strings.Contains(err.Error(), "4 MiB") {
		t.Errorf("%v does not tell the bound", err)
	}
	wantCode(t, k.Store.DeleteRecord(ctx, records.Collection{Org: org, User: jane, Kind: "filling"}, 1, "make room"), "")
	wantCode(t, add("https://x.example"), "")
	k.now = k.now.Add(time.Second)
	fill()
	wantFault(add("https://x.example/and/more"))
	r, err := k.Resume(ctx, k.jane, org, "me")
	if err != nil || len(r.Links) != 1 || r.Links[0] != "https://x.example" {
		t.Errorf("%+v, %v", r, err)
	}
}
