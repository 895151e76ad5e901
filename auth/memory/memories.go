package memory

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
)

// Memory is one thing that is remembered. Mentor and Category are zero for a global one.
type Memory struct {
	ID       uint64
	Mentor   string
	Category Category
	Content  string
	// Session is the conversation that was named with it, "" for none.
	Session   string
	CreatedAt time.Time
}

type memoryBody struct {
	Mentor   string `json:"mentor,omitzero"`
	Category uint64 `json:"category,omitzero"`
	Content  string `json:"content"`
	Session  string `json:"session,omitzero"`
}

// Filter narrows a list; zero fields do not. From and To are days in UTC, both included; Content is part of what is remembered, whatever
// its case. Email and UserID are the person's, or nothing is left, and so it is with Own where the caller is not the person.
type Filter struct {
	Mentor, Category, Content, Session, Email, UserID string
	From, To                                          time.Time
	Own                                               bool
}

// leaves reports whether a filter leaves anything of a person to a caller.
func (s *Service) leaves(ctx context.Context, caller *auth.Caller, org string, f *Filter, owner *auth.User) (bool, error) {
	if self, _ := caller.Self(org); f.Own && self != owner.ID || f.Email != "" && !strings.EqualFold(f.Email, owner.Email) {
		return false, nil
	}
	if f.UserID == "" || f.UserID == owner.ID || f.UserID == owner.Username {
		return true, nil
	}
	wanted, err := strconv.ParseUint(f.UserID, 10, 64)
	if err != nil {
		return false, nil //nolint:nilerr // no number, and nobody else is asked about
	}
	number, err := s.Users.Number(ctx, owner.ID)
	return number == wanted, err
}

func (f *Filter) selects(r *stored[memoryBody]) bool {
	return (f.Mentor == "" || f.Mentor == r.body.Mentor) &&
		(f.Session == "" || f.Session == r.body.Session) &&
		(f.From.IsZero() || !r.CreatedAt.Before(f.From)) &&
		(f.To.IsZero() || r.CreatedAt.Before(f.To.AddDate(0, 0, 1))) &&
		strings.Contains(strings.ToLower(r.body.Content), strings.ToLower(f.Content))
}

// list are the records of a kind that a filter selects, latest first.
func (s *Service) list(ctx context.Context, caller *auth.Caller, org, user, kind string, f Filter) ([]stored[memoryBody], error) {
	owner, err := s.Subject(ctx, caller, org, user, false)
	if err != nil {
		return nil, err
	}
	if f.Mentor != "" {
		if err := checkMentor(f.Mentor); err != nil {
			return nil, err
		}
	}
	if left, err := s.leaves(ctx, caller, org, &f, &owner); err != nil || !left {
		return nil, err
	}
	all, err := read[memoryBody](ctx, s, records.Collection{Org: org, User: owner.ID, Kind: kind})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(r stored[memoryBody]) bool { return !f.selects(&r) })
	slices.Reverse(all)
	return all, nil
}

// Memories lists those of a person, latest first; with no Mentor in the filter of all mentors.
func (s *Service) Memories(ctx context.Context, caller *auth.Caller, org, user string, f Filter) ([]Memory, error) {
	all, err := s.list(ctx, caller, org, user, kindMemory, f)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	of, err := s.Store.Records(ctx, inOrg(org))
	if err != nil {
		return nil, err
	}
	byMentor, list := map[string]map[uint64]Category{}, make([]Memory, 0, len(all))
	for n := range all {
		mentor := all[n].body.Mentor
		if byMentor[mentor] == nil {
			its, err := categoriesOf(mentor, of)
			if err != nil {
				return nil, err
			}
			byMentor[mentor] = map[uint64]Category{}
			for _, k := range its {
				byMentor[mentor][k.ID] = k.Category
			}
		}
		m := memoryOf(&all[n].Record, &all[n].body, byMentor[mentor][all[n].body.Category])
		if f.Category == "" || f.Category == m.Category.Slug {
			list = append(list, m)
		}
	}
	return list, nil
}

func memoryOf(r *records.Record, b *memoryBody, c Category) Memory {
	return Memory{ID: r.ID, Mentor: b.Mentor, Category: c, Content: b.Content, Session: b.Session, CreatedAt: r.CreatedAt}
}

// categoryNamed is a mentor's active category of that slug, or Faults.
func (s *Service) categoryNamed(ctx context.Context, org, mentor, slug string) (Category, error) {
	all, err := s.categories(ctx, org, mentor)
	if err != nil {
		return Category{}, err
	}
	var active []string
	for _, k := range all {
		if k.Active && k.Slug == slug {
			return k.Category, nil
		}
		if k.Active {
			active = append(active, k.Slug)
		}
	}
	return Category{}, Faults{"category_slug": {
		"No active category of this mentor has this slug. There are: " + strings.Join(active, ", ") + ".",
	}}
}

// Add adds one of a mentor and category.
func (s *Service) Add(
	ctx context.Context, caller *auth.Caller, org, user, mentor, category, content string,
) (m Memory, err error) {
	err = s.change(ctx, caller, org, user, "memory.create", func(c records.Collection) error {
		faults := Faults{}
		faults.mentor(mentor)
		faults.text("category_slug", category, maxName)
		faults.text("content", content, MaxContent)
		if err := faults.err(); err != nil {
			return err
		}
		of, err := s.categoryNamed(ctx, org, mentor, category)
		if err != nil {
			return err
		}
		c.Kind = kindMemory
		body := memoryBody{Mentor: mentor, Category: of.ID, Content: content}
		r, err := s.create(ctx, c, "", body, maxMemories)
		m = memoryOf(&r, &body, of)
		return orTooMuch(err, maxMemories, "memories of this kind")
	})
	return m, err
}

// Change changes what is not nil. A memory may stay in its category though that is inactive.
func (s *Service) Change(
	ctx context.Context, caller *auth.Caller, org, user, mentor string, id uint64, category, content *string,
) (m Memory, err error) {
	err = s.change(ctx, caller, org, user, "memory.update", func(c records.Collection) error {
		faults := Faults{}
		faults.mentor(mentor)
		if category == nil && content == nil {
			faults.add("non_field_errors", "Provide 'category_slug' or 'content'.")
		}
		if category != nil {
			faults.text("category_slug", *category, maxName)
		}
		if content != nil {
			faults.text("content", *content, MaxContent)
		}
		if err := faults.err(); err != nil {
			return err
		}
		c.Kind = kindMemory
		return unlessOvertaken(func() (err error) {
			m, err = s.changeMemory(ctx, c, mentor, id, category, content)
			return err
		})
	})
	return m, err
}

func (s *Service) changeMemory(
	ctx context.Context, c records.Collection, mentor string, id uint64, category, content *string,
) (Memory, error) {
	now, err := s.memory(ctx, c, mentor, id)
	if err != nil {
		return Memory{}, err
	}
	all, err := s.categories(ctx, c.Org, mentor)
	if err != nil {
		return Memory{}, err
	}
	its := slices.IndexFunc(all, func(k known) bool { return k.ID == now.body.Category })
	if its < 0 {
		return Memory{}, errNone("category")
	}
	after := all[its].Category
	if category != nil && *category != after.Slug {
		if after, err = s.categoryNamed(ctx, c.Org, mentor, *category); err != nil {
			return Memory{}, err
		}
		now.body.Category = after.ID
	}
	if content != nil {
		now.body.Content = *content
	}
	r, err := s.update(ctx, c, now.Record, now.body)
	return memoryOf(&r, &now.body, after), orTooMuch(err, maxMemories, "memories of this kind")
}

// memory finds one of a mentor.
func (s *Service) memory(ctx context.Context, c records.Collection, mentor string, id uint64) (stored[memoryBody], error) {
	all, err := read[memoryBody](ctx, s, c)
	n := slices.IndexFunc(all, func(r stored[memoryBody]) bool { return r.ID == id && r.body.Mentor == mentor })
	if err == nil && n < 0 {
		err = errNone("memory")
	}
	if err != nil {
		return stored[memoryBody]{}, err
	}
	return all[n], nil
}

// Forget removes one of a mentor.
func (s *Service) Forget(ctx context.Context, caller *auth.Caller, org, user, mentor string, id uint64) error {
	return s.forget(ctx, caller, org, user, kindMemory, mentor, id)
}

func (s *Service) forget(ctx context.Context, caller *auth.Caller, org, user, kind, mentor string, id uint64) error {
	return s.change(ctx, caller, org, user, "memory.delete", func(c records.Collection) error {
		c.Kind = kind
		r, err := s.memory(ctx, c, mentor, id)
		if err != nil {
			return err
		}
		return s.Store.DeleteRecord(ctx, c, r.ID, rand.Text())
	})
}

// Globals, AddGlobal and ForgetGlobal are the same for memories of no mentor. session is where it was said, "" for nowhere.
func (s *Service) Globals(ctx context.Context, caller *auth.Caller, org, user string, f Filter) ([]Memory, error) {
	f.Mentor = ""
	all, err := s.list(ctx, caller, org, user, kindGlobal, f)
	list := make([]Memory, len(all))
	for n := range all {
		list[n] = memoryOf(&all[n].Record, &all[n].body, Category{})
	}
	return list, err
}

// AddGlobal is described at Globals.
func (s *Service) AddGlobal(ctx context.Context, caller *auth.Caller, org, user, session, content string) (m Memory, err error) {
	err = s.change(ctx, caller, org, user, "memory.create", func(c records.Collection) error {
		faults := Faults{}
		faults.prose("session_id", session, maxSession)
		faults.text("content", content, MaxContent)
		if err := faults.err(); err != nil {
			return err
		}
		c.Kind = kindGlobal
		body := memoryBody{Content: content, Session: session}
		r, err := s.create(ctx, c, "", body, maxMemories)
		m = memoryOf(&r, &body, Category{})
		return orTooMuch(err, maxMemories, "memories of this kind")
	})
	return m, err
}

// ForgetGlobal is described at Globals.
func (s *Service) ForgetGlobal(ctx context.Context, caller *auth.Caller, org, user string, id uint64) error {
	return s.forget(ctx, caller, org, user, kindGlobal, "", id)
}
