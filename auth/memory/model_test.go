package memory_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// remembered is a memory of the model.
type remembered struct {
	id                       uint64
	mentor, content, session string
	category                 uint64
	at                       time.Time
}

// model is what a person's memories are, in the simplest form.
type model struct {
	memories, globals []remembered
	facts             map[string]string
	learn, use        bool
	categories        map[string][]memory.Category // by mentor, whoever has any
}

// isFault reports whether an error is about that member.
func isFault(err error, member string) bool {
	faults, ok := errors.AsType[memory.Faults](err)
	return ok && len(faults) == 1 && faults[member] != nil
}

func (m *model) named(mentor, slug string) (memory.Category, bool) {
	for _, c := range m.categories[mentor] {
		if c.Slug == slug {
			return c, true
		}
	}
	return memory.Category{}, false
}

func (m *model) by(mentor string, id uint64) memory.Category {
	for _, c := range m.categories[mentor] {
		if c.ID == id {
			return c
		}
	}
	return memory.Category{}
}

// Whatever is done, by the person or by an operator, the service knows what a model in memory knows.
func TestMemoriesAgainstModel(t *testing.T) {
	t.Parallel()
	k := newKit(t, redistest.Embedded(t))
	mentors := []string{"", ""}
	count := 0
	rapid.Check(t, func(r *rapid.T) {
		count++
		ctx, user := t.Context(), fmt.Sprintf("user-%d", count)
		self := k.person(user)
		m := model{facts: map[string]string{}, categories: map[string][]memory.Category{}}
		for n := range mentors {
			mentors[n] = fmt.Sprintf("mentor-%d-%d", count, n)
			all, err := k.Categories(ctx, self, org, mentors[n])
			check(t, err)
			m.categories[mentors[n]] = all
		}
		who := func() *auth.Caller { return rapid.SampledFrom([]*auth.Caller{self, auth.System()}).Draw(r, "caller") }
		name := func() string { return rapid.SampledFrom([]string{user, "me"}).Draw(r, "name") }
		mentor := func() string { return rapid.SampledFrom(mentors).Draw(r, "mentor") }
		slug := func() string {
			return rapid.SampledFrom([]string{"preferences", "knowledge_gaps", "one", "two", "none"}).Draw(r, "slug")
		}
		text := func() string { return rapid.StringMatching(`[a-zA-Zé]{1,3}`).Draw(r, "text") }
		one := func(list []remembered) (remembered, int) {
			if len(list) == 0 || rapid.IntRange(0, 5).Draw(r, "unknown") == 0 {
				return remembered{id: 1 << 40, mentor: mentor()}, -1
			}
			n := rapid.IntRange(0, len(list)-1).Draw(r, "which")
			return list[n], n
		}
		as := func() (*auth.Caller, string) {
			caller, called := who(), name()
			if caller != self {
				called = user
			}
			return caller, called
		}
		want := func(err error, good bool, code auth.Code, member string) {
			r.Helper()
			switch {
			case good && err == nil, !good && code != "" && auth.CodeOf(err) == code, !good && member != "" && isFault(err, member):
			default:
				r.Fatalf("%v, good %v, %s, %s", err, good, code, member)
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { m.compare(r, k, self, user, mentors) },
			"later": func(*rapid.T) {
				k.now = k.now.Add(time.Duration(rapid.IntRange(1, 30).Draw(r, "hours")) * time.Hour)
			},
			"add": func(*rapid.T) {
				caller, called := as()
				of, in, content := mentor(), slug(), text()
				c, known := m.named(of, in)
				got, err := k.Add(ctx, caller, org, called, of, in, content)
				want(err, known && c.Active, "", "category_slug")
				if err == nil {
					m.memories = append(m.memories, remembered{got.ID, of, content, "", c.ID, k.now})
				}
			},
			"change": func(*rapid.T) {
				caller, called := as()
				old, n := one(m.memories)
				in, content := slug(), text()
				c, known := m.named(old.mentor, in)
				stays := n >= 0 && c.ID == old.category
				_, err := k.Change(ctx, caller, org, called, old.mentor, old.id, &in, &content)
				if n < 0 {
					want(err, false, auth.NotFound, "")
					return
				}
				want(err, known && (c.Active || stays), "", "category_slug")
				if err == nil {
					m.memories[n].category, m.memories[n].content = c.ID, content
				}
			},
			"forget": func(*rapid.T) {
				caller, called := as()
				old, n := one(m.memories)
				want(k.Forget(ctx, caller, org, called, old.mentor, old.id), n >= 0, auth.NotFound, "")
				if n >= 0 {
					m.memories = slices.Delete(m.memories, n, n+1)
				}
			},
			"forget another mentor's": func(*rapid.T) {
				old, n := one(m.memories)
				if n < 0 {
					return
				}
				other := mentors[0]
				if other == old.mentor {
					other = mentors[1]
				}
				want(k.Forget(ctx, self, org, "me", other, old.id), false, auth.NotFound, "")
				want(k.ForgetGlobal(ctx, self, org, "me", old.id), false, auth.NotFound, "")
			},
			"add global": func(*rapid.T) {
				caller, called := as()
				content, session := text(), rapid.SampledFrom([]string{"", "s"}).Draw(r, "session")
				got, err := k.AddGlobal(ctx, caller, org, called, session, content)
				want(err, true, "", "")
				m.globals = append(m.globals, remembered{id: got.ID, content: content, session: session, at: k.now})
			},
			"forget global": func(*rapid.T) {
				caller, called := as()
				old, n := one(m.globals)
				want(k.ForgetGlobal(ctx, caller, org, called, old.id), n >= 0, auth.NotFound, "")
				if n >= 0 {
					m.globals = slices.Delete(m.globals, n, n+1)
				}
			},
			"set fact": func(*rapid.T) {
				caller, called := as()
				f := memory.Fact{Tag: rapid.SampledFrom([]string{"a", "A", "b/c"}).Draw(r, "tag"), Detail: text()}
				want(k.SetFact(ctx, caller, org, called, f), true, "", "")
				m.facts[f.Tag] = f.Detail
			},
			"forget fact": func(*rapid.T) {
				caller, called := as()
				tag := rapid.SampledFrom([]string{"a", "A", "b/c"}).Draw(r, "tag")
				_, known := m.facts[tag]
				want(k.ForgetFact(ctx, caller, org, called, tag), known, auth.NotFound, "")
				delete(m.facts, tag)
			},
			"set flags": func(*rapid.T) {
				caller, called := as()
				flag := func(what string, now *bool) *bool {
					if !rapid.Bool().Draw(r, what) {
						return nil
					}
					on := rapid.Bool().Draw(r, what+" is")
					*now = on
					return &on
				}
				learn, use := flag("learn", &m.learn), flag("use", &m.use)
				_, err := k.SetFlags(ctx, caller, org, called, learn, use)
				want(err, learn != nil || use != nil, "", "non_field_errors")
			},
			"add category": func(*rapid.T) {
				of, c := mentor(), memory.Category{Name: text(), Slug: slug(), Active: rapid.Bool().Draw(r, "active")}
				_, taken := m.named(of, c.Slug)
				got, err := k.AddCategory(ctx, auth.System(), org, of, c)
				want(err, !taken, auth.Conflict, "")
				if err == nil {
					c.ID = got.ID
					m.categories[of] = append(m.categories[of], c)
				}
			},
			"change category": func(*rapid.T) {
				of := mentor()
				n := rapid.IntRange(0, len(m.categories[of])-1).Draw(r, "category")
				c := &m.categories[of][n]
				content, active, in := text(), rapid.Bool().Draw(r, "active"), slug()
				_, taken := m.named(of, in)
				_, err := k.ChangeCategory(ctx, auth.System(), org, of, c.ID, memory.CategoryChange{Name: &content, Active: &active, Slug: &in})
				switch {
				case c.Slug == in:
					want(err, true, "", "")
				case n < 5:
					want(err, false, "", "slug")
				default:
					want(err, !taken, auth.Conflict, "")
				}
				if err == nil {
					c.Name, c.Active, c.Slug = content, active, in
				}
			},
		})
	})
}

// compare reads everything and compares it with the model.
func (m *model) compare(r *rapid.T, k *kit, self *auth.Caller, user string, mentors []string) {
	r.Helper()
	ctx := k.t.Context()
	for _, of := range mentors {
		all, err := k.Categories(ctx, self, org, of)
		if diff := cmp.Diff(m.categories[of], all); err != nil || diff != "" {
			r.Fatalf("categories of %s (-want +got): %v\n%s", of, err, diff)
		}
	}
	f := memory.Filter{Mentor: rapid.SampledFrom([]string{"", mentors[0], mentors[1]}).Draw(r, "of")}
	f.Content = rapid.SampledFrom([]string{"", "A", "é"}).Draw(r, "with")
	if rapid.Bool().Draw(r, "from") {
		f.From = k.now.Truncate(24 * time.Hour)
	}
	if rapid.Bool().Draw(r, "to") {
		f.To = k.now.Truncate(24*time.Hour).AddDate(0, 0, -1)
	}
	selected := func(list []remembered) (want []memory.Memory) {
		for _, x := range slices.Backward(list) {
			day := x.at.Truncate(24 * time.Hour)
			if (f.Mentor == "" || f.Mentor == x.mentor) && (f.Session == "" || f.Session == x.session) &&
				(f.From.IsZero() || !day.Before(f.From)) && (f.To.IsZero() || !day.After(f.To)) &&
				strings.Contains(strings.ToLower(x.content), strings.ToLower(f.Content)) {
				c := m.by(x.mentor, x.category)
				want = append(want, memory.Memory{ID: x.id, Mentor: x.mentor, Category: c, Content: x.content, Session: x.session, CreatedAt: x.at})
			}
		}
		return want
	}
	same := func(what string, got []memory.Memory, err error, want []memory.Memory) {
		r.Helper()
		if diff := cmp.Diff(want, got); err != nil || diff != "" && len(want)+len(got) > 0 {
			r.Fatalf("%s, %+v (-want +got): %v\n%s", what, f, err, diff)
		}
	}
	got, err := k.Memories(ctx, self, org, "me", f)
	same("memories", got, err, selected(m.memories))
	f.Mentor, f.Session = "", rapid.SampledFrom([]string{"", "s"}).Draw(r, "said in")
	got, err = k.Globals(ctx, auth.System(), org, user, f)
	same("global ones", got, err, selected(m.globals))

	facts, err := k.Facts(ctx, self, org, user)
	var want []memory.Fact
	for _, tag := range slices.Sorted(maps.Keys(m.facts)) {
		want = append(want, memory.Fact{Tag: tag, Detail: m.facts[tag]})
	}
	if err != nil || !slices.Equal(facts, want) {
		r.Fatalf("facts %v, %v, want %v", facts, err, want)
	}
	flags, err := k.Flags(ctx, self, org, "me")
	if err != nil || flags.Learn != m.learn || flags.Use != m.use {
		r.Fatalf("flags %+v, %v, want %v %v", flags, err, m.learn, m.use)
	}
}
