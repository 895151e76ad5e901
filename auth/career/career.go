// Package career is a person's education and experience, the institutions and companies they refer to, and his résumé (seed 001).
package career

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// Kind is one of the four lists.
type Kind string

// The kinds, as ibl.ai calls them. An Education names an Institution of the same person and organisation, an Experience a Company.
const (
	Education    Kind = "education"
	Experience   Kind = "experience"
	Institutions Kind = "institutions"
	Companies    Kind = "companies"
)

// Service is safe for concurrent use. Who may is decided by records.Service.Subject. Changes are audit events "career.create", "update",
// "delete" and "career.resume".
type Service struct {
	*records.Service
	Issuer string
	// Keys authenticate the addresses of files; see ticket.Codec.
	Keys  [][]byte
	Audit audit.Log
	Now   func() time.Time

	underWay uploads
}

// maxItems is how many records of a kind an organisation has of a person.
const maxItems = 200

// Item is one record of a kind.
type Item struct {
	ID     uint64
	Person Person
	// Members are its writable members, all that its kind has, null where nothing was said.
	Members map[string]jsontext.Value
	// Of is the institution or company it names.
	Of                   *Item
	CreatedAt, UpdatedAt time.Time
}

// Person is whose it is.
type Person struct {
	auth.User
	Number uint64
}

// Faults are what is wrong with which members, in the words of Django REST framework.
type Faults map[string][]string

func (f Faults) Error() string { return "members of the record were refused" }

// naming is the kind whose records the records of a kind name, and the member that does. Kinds that name nothing have none.
var naming = map[Kind]struct {
	kind   Kind
	member string
}{Education: {Institutions, "institution_id"}, Experience: {Companies, "company_id"}}

// named is what the records of a kind are called to people, and the kind that names them.
var named = map[Kind]struct {
	one string
	by  Kind
}{Institutions: {"institution", Education}, Companies: {"company", Experience}}

// about is what a call is about: the records of one kind of one person.
type about struct {
	*Service
	ctx    context.Context
	person auth.User
	in     records.Collection
	kind   Kind
}

func (s *Service) about(ctx context.Context, caller *auth.Caller, org, user string, kind Kind, change bool) (*about, error) {
	whose, err := s.Subject(ctx, caller, org, user, change)
	if err != nil {
		return nil, err
	}
	return &about{s, ctx, whose, records.Collection{Org: org, User: whose.ID, Kind: string(kind)}, kind}, nil
}

// reference is how records name a record.
func reference(kind Kind, id uint64) string { return string(kind) + ":" + strconv.FormatUint(id, 10) }

// look is what there is of a person at one moment: the records of a kind, and those they may name, by their references.
type look struct {
	stored []records.Record
	named  map[string]records.Record
}

func (a *about) look() (look, error) {
	var others []string
	if naming, ok := naming[a.kind]; ok {
		others = []string{string(naming.kind)}
	}
	all, err := a.Store.Records(a.ctx, a.in, others...)
	now := look{named: map[string]records.Record{}}
	for _, r := range all {
		if r.Kind == a.in.Kind {
			now.stored = append(now.stored, r)
		} else {
			now.named[reference(Kind(r.Kind), r.ID)] = r
		}
	}
	return now, err
}

// find is the record with an id.
func (l *look) find(id uint64) (records.Record, error) {
	at := slices.IndexFunc(l.stored, func(r records.Record) bool { return r.ID == id })
	if at < 0 {
		return records.Record{}, &auth.Error{Code: auth.NotFound, Detail: "no such record"}
	}
	return l.stored[at], nil
}

// items are what is stored as it is shown. Only who is shown gets a number.
func (a *about) items(now *look) ([]Item, error) {
	items := make([]Item, len(now.stored))
	if len(items) == 0 {
		return items, nil
	}
	number, err := a.Users.Number(a.ctx, a.person.ID)
	if err != nil {
		return nil, err
	}
	whose, of := Person{User: a.person, Number: number}, map[string]*Item{}
	for n, r := range now.stored {
		if items[n], err = item(&r, whose); err != nil {
			return nil, err
		}
		if named, ok := now.named[r.Needs]; ok && of[r.Needs] == nil {
			one, err := item(&named, whose)
			if err != nil {
				return nil, err
			}
			of[r.Needs] = &one
		}
		items[n].Of = of[r.Needs]
	}
	return items, nil
}

func item(r *records.Record, whose Person) (Item, error) {
	i := Item{ID: r.ID, Person: whose, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
	var err error
	if i.Members, err = decode(Kind(r.Kind), r.Body); err != nil {
		err = &auth.Error{Code: auth.Unavailable, Err: fmt.Errorf("record %d of %s: %w", r.ID, r.Kind, err)}
	}
	return i, err
}

// List reads the items of a kind, latest start first, then by id descending; institutions and companies by id.
func (s *Service) List(ctx context.Context, caller *auth.Caller, org, user string, kind Kind) ([]Item, error) {
	a, err := s.about(ctx, caller, org, user, kind, false)
	if err != nil {
		return nil, err
	}
	now, err := a.look()
	if err != nil {
		return nil, err
	}
	items, err := a.items(&now)
	if err != nil {
		return nil, err
	}
	if _, dated := naming[kind]; dated {
		slices.SortFunc(items, func(x, y Item) int {
			return cmp.Or(strings.Compare(string(y.Members["start_date"]), string(x.Members["start_date"])), cmp.Compare(y.ID, x.ID))
		})
	}
	return items, nil
}

// Create makes an item, Update replaces all writable members of one. Members they do not know are passed over. Errors: Faults; NotFound
// for an id that is none of the person's; a Conflict for too many; Busy where others keep changing the same item.
func (s *Service) Create(
	ctx context.Context, caller *auth.Caller, org, user string, kind Kind, members map[string]jsontext.Value,
) (Item, error) {
	return s.write(ctx, caller, org, user, kind, "create", func(a *about) (records.Record, look, error) {
		kept, err := check(kind, members)
		if err != nil {
			return records.Record{}, look{}, err
		}
		now, err := a.look()
		if err != nil {
			return records.Record{}, now, err
		}
		r, err := a.record(kept, &now)
		if err != nil {
			return r, now, err
		}
		r.CreatedAt = s.Now().Truncate(time.Millisecond)
		r.UpdatedAt = r.CreatedAt
		created, err := s.Store.CreateRecord(ctx, a.in, r, rand.Text(), maxItems)
		return created, now, a.explain(&r, err)
	})
}

func (s *Service) Update(
	ctx context.Context, caller *auth.Caller, org, user string, kind Kind, id uint64, members map[string]jsontext.Value,
) (Item, error) {
	return s.write(ctx, caller, org, user, kind, "update", func(a *about) (after records.Record, now look, err error) {
		// Who changes it says nothing of what it was, so the last change is the one that stands.
		for range changeAttempts {
			if now, err = a.look(); err != nil {
				return after, now, err
			}
			before, err := now.find(id) // what is not there has no members that could be wrong
			if err != nil {
				return after, now, err
			}
			kept, err := check(kind, members)
			if err != nil {
				return after, now, err
			}
			r, err := a.record(kept, &now)
			if err != nil {
				return after, now, err
			}
			r.ID, r.Version, r.CreatedAt, r.UpdatedAt = id, before.Version, before.CreatedAt, s.Now().Truncate(time.Millisecond)
			after, err = s.Store.UpdateRecord(ctx, a.in, r, rand.Text())
			if auth.CodeOf(err) != auth.PreconditionFailed {
				return after, now, a.explain(&r, err)
			}
		}
		return after, now, &auth.Error{Code: auth.Busy, Detail: "the record is being changed by others", RetryAfter: time.Second}
	})
}

// write makes a change and shows what was written, which may name what there was when it was.
func (s *Service) write(
	ctx context.Context, caller *auth.Caller, org, user string, kind Kind, what string,
	do func(*about) (written records.Record, now look, err error),
) (Item, error) {
	var now look
	a, err := s.change(ctx, caller, org, user, kind, what, func(a *about) error {
		written, before, err := do(a)
		now = look{[]records.Record{written}, before.named}
		return err
	})
	if err != nil {
		return Item{}, err
	}
	shown, err := a.items(&now)
	if err != nil {
		return Item{}, err
	}
	return shown[0], nil
}

// Delete removes an item: a Conflict where another one names it.
func (s *Service) Delete(ctx context.Context, caller *auth.Caller, org, user string, kind Kind, id uint64) error {
	_, err := s.change(ctx, caller, org, user, kind, "delete", func(a *about) error {
		err := s.Store.DeleteRecord(ctx, a.in, id, rand.Text())
		if auth.CodeOf(err) == auth.Conflict {
			err = a.stillNamed(id, err)
		}
		return err
	})
	return err
}

// change makes a change and records it.
func (s *Service) change(
	ctx context.Context, caller *auth.Caller, org, user string, kind Kind, what string, do func(*about) error,
) (*about, error) {
	a, err := s.about(ctx, caller, org, user, kind, true)
	id := ""
	if err == nil {
		id = a.person.ID
		err = do(a)
	}
	e := auth.Outcome("career."+what, caller.Ref(), err)
	if _, refused := errors.AsType[Faults](err); refused {
		e.Outcome, e.Reason = audit.Denied, string(auth.InvalidRequest)
	}
	s.Audit.Record(ctx, auth.About(e, org, "user", id))
	return a, err
}

// record is what is stored of members that were checked: what it names must be there.
func (a *about) record(kept map[string]jsontext.Value, now *look) (r records.Record, err error) {
	if naming, ok := naming[a.kind]; ok {
		r.Needs = string(naming.kind) + ":" + string(kept[naming.member])
		if _, there := now.named[r.Needs]; !there {
			return r, a.missing(&r)
		}
	}
	r.Body, err = encode(kept)
	return r, err
}

// missing says that what a record names is not there.
func (a *about) missing(r *records.Record) Faults {
	_, id, _ := strings.Cut(r.Needs, ":")
	return Faults{naming[a.kind].member: {noSuchRecord(id)}}
}

// explain says what a refusal of the store means.
func (a *about) explain(r *records.Record, err error) error {
	refused, ok := errors.AsType[*auth.Error](err)
	switch {
	case ok && refused.Code == auth.NotFound && refused.Field == "needs":
		return a.missing(r)
	case ok && refused.Code == auth.Conflict && refused.Field == "limit":
		return &auth.Error{
			Code: auth.Conflict, Detail: fmt.Sprintf("there are as many records of this kind as there may be: %d", maxItems), Err: err,
		}
	case tooLarge(err):
		return &auth.Error{Code: auth.Conflict, Detail: textTooLarge, Err: err}
	}
	return err
}

// textTooLarge says what tooLarge finds.
const textTooLarge = "the records are together larger than they may be, 4 MiB of all kinds: remove something first"

// tooLarge reports whether the store refused records for their size.
func tooLarge(err error) bool {
	refused, ok := errors.AsType[*auth.Error](err)
	return ok && refused.Code == auth.Conflict && refused.Field == "size"
}

// stillNamed says what names a record that cannot be removed for it.
func (a *about) stillNamed(id uint64, cause error) error {
	named := named[a.kind]
	in := a.in
	in.Kind = string(named.by)
	all, err := a.Store.Records(a.ctx, in)
	if err != nil {
		return err
	}
	var ids []string
	for _, r := range all {
		if r.Needs == reference(a.kind, id) {
			ids = append(ids, strconv.FormatUint(r.ID, 10))
		}
	}
	return &auth.Error{
		Code: auth.Conflict, Detail: fmt.Sprintf("this %s is named by %s %s", named.one, named.by, strings.Join(ids, ", ")), Err: cause,
	}
}
