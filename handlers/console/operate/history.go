package operate

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/metadata"
)

// historyPage is the data of the history of a document.
type historyPage struct {
	paging
	Person *person
	Group  *metadata.Group
	App    string
	// Address is that of the page, without what is asked of it.
	Address string
	// Key narrows it to one entry.
	Key  string
	Past []past
}

// past is one change.
type past struct {
	Revision uint64
	At       time.Time
	By, Via  string
	Changes  []change
	// Joined and Left are groups.
	Joined, Left []string
	// Before is the revision that undoes it.
	Before uint64
}

// change is what became of one entry.
type change struct {
	Key           string
	Before, After *side
}

// side is an entry before or after a change.
type side struct {
	Text  string
	Hash  bool // of a value that is not shown
	Claim bool
}

func sideOf(s *metadata.Shown) *side {
	if s == nil {
		return nil
	}
	if s.Hash != "" {
		return &side{s.Hash, true, s.ProfileClaim}
	}
	return &side{shorten(shownValue(s.Value), maxShown), false, s.ProfileClaim}
}

const maxShown = 600 // characters

func (k *desk) history() error {
	query, err := k.query("app", "key", "cursor")
	if err != nil {
		return err
	}
	s, err := k.subject("history", query.Get("app"))
	if err != nil {
		return err
	}
	data := historyPage{
		Person: s.Person, Group: s.Group, App: s.Target.App, Key: query.Get("key"), Address: k.site().At(k.at(s, "history")),
	}
	if data.paging, err = k.paging(query, "app", "key"); err != nil {
		return err
	}
	all, next, err := k.Metadata.History(k.Request().Context(), k.caller, s.Target, data.Key, metadata.Page{After: data.After, Limit: pageSize})
	if err != nil {
		return err
	}
	data.then(next)
	for _, one := range all {
		p := past{
			Revision: one.Revision, At: one.At, By: one.By, Via: one.Via, Joined: one.Joined, Left: one.Left, Before: one.Revision - 1,
		}
		for _, d := range one.Changes {
			p.Changes = append(p.Changes, change{d.Key, sideOf(d.Before), sideOf(d.After)})
		}
		data.Past = append(data.Past, p)
	}
	return k.respond(http.StatusOK, "history", s.Section, &data)
}

// More is the address of the page that follows.
func (p *historyPage) More() string {
	return p.Address + "?" + url.Values{"app": {p.App}, "key": {p.Key}, "cursor": {p.Next}}.Encode()
}

// Restore is the address of the page that asks before restoring a revision, with a key of one entry alone.
func (p *historyPage) Restore(revision uint64, key string) string {
	values := url.Values{"revision": {strconv.FormatUint(revision, 10)}}
	if key != "" {
		values.Set("key", key)
	}
	if p.App != "" {
		values.Set("app", p.App)
	}
	return p.Address + "/restore?" + values.Encode()
}

// Of is the address of the history of one entry.
func (p *historyPage) Of(key string) string {
	return p.Address + "?" + url.Values{"app": {p.App}, "key": {key}}.Encode()
}

// restorePage is the data of the page that asks before a document, or an entry, is made what it was.
type restorePage struct {
	Person   *person
	Group    *metadata.Group
	App, Key string
	Address  string
	// To is the revision to go back to, Revision the one of now.
	To, Revision uint64
	Changes      []change
	// In and Out are groups the user would be in again, and no longer.
	In, Out []string
}

func (k *desk) askRestore() error {
	query, err := k.query("app", "key", "revision")
	if err != nil {
		return err
	}
	return k.showRestore(query, nil)
}

func (k *desk) showRestore(asked url.Values, fault error) error {
	s, err := k.subject("history", asked.Get("app"))
	if err != nil {
		return err
	}
	to, err := strconv.ParseUint(asked.Get("revision"), 10, 64)
	if err != nil {
		return problem.New(problem.InvalidRequest, "no revision to go back to")
	}
	data := restorePage{
		Person: s.Person, Group: s.Group, App: s.Target.App, Key: asked.Get("key"), To: to, Address: k.site().At(k.at(s, "history")),
	}
	if err := k.addRestored(s, &data); err != nil {
		return err
	}
	if fault != nil {
		return k.refuse(fault, "restore", s.Section, data)
	}
	return k.respond(http.StatusOK, "restore", s.Section, data)
}

// maxUndone is how many changes a page goes back through, at most what a document remembers by default, several times over.
const maxUndone = 1000

// addRestored finds out what going back would change: of every entry touched since, what it was before the first change, and what it is now.
func (k *desk) addRestored(s subject, data *restorePage) error {
	ctx := k.Request().Context()
	doc, err := k.Metadata.Get(ctx, k.caller, s.Target)
	if err != nil {
		return err
	}
	data.Revision = doc.Revision
	was, is := map[string]*metadata.Shown{}, map[string]*metadata.Shown{}
	in := map[string]int{}
	seen, p := 0, metadata.Page{Limit: schemeLimit}
	for seen < maxUndone {
		all, next, err := k.Metadata.History(ctx, k.caller, s.Target, data.Key, p)
		if err != nil {
			return err
		}
		for _, one := range all {
			seen++
			if one.Revision <= data.To {
				next = ""
				break
			}
			for _, d := range one.Changes {
				if _, again := is[d.Key]; !again {
					is[d.Key] = d.After
				}
				was[d.Key] = d.Before
			}
			for _, slug := range one.Joined {
				in[slug]--
			}
			for _, slug := range one.Left {
				in[slug]++
			}
		}
		if next == "" {
			break
		}
		p.After = next
	}
	for key, before := range was {
		if c := (change{key, sideOf(is[key]), sideOf(before)}); !same(c.Before, c.After) {
			data.Changes = append(data.Changes, c)
		}
	}
	slices.SortFunc(data.Changes, func(a, b change) int { return strings.Compare(a.Key, b.Key) })
	for slug, n := range in {
		switch {
		case data.Key != "":
		case n > 0:
			data.In = append(data.In, slug)
		case n < 0:
			data.Out = append(data.Out, slug)
		}
	}
	slices.Sort(data.In)
	slices.Sort(data.Out)
	return nil
}

func same(a, b *side) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func (k *desk) restore() error {
	s, err := k.subject("history", k.form.Get("app"))
	if err != nil {
		return err
	}
	to, err := strconv.ParseUint(k.form.Get("revision"), 10, 64)
	if err != nil {
		return problem.New(problem.InvalidRequest, "no revision to go back to")
	}
	base, err := k.version()
	if err != nil {
		return err
	}
	_, err = k.Metadata.Rollback(k.Request().Context(), k.caller, s.Target, to, k.form.Get("key"), metadata.Precondition{
		IfMatch: &metadata.Condition{Revisions: []uint64{*base}},
	})
	if err != nil {
		if k.fault(err) == "" {
			return err
		}
		return k.showRestore(k.form, err)
	}
	address := k.at(s, "history")
	if s.Target.App != "" {
		address += "?app=" + s.Target.App
	}
	return k.done(address, "restored")
}
