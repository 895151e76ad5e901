package operate

import (
	"slices"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/metadata"
)

// panel is the preview beside the editor: what tokens say, and would say.
type panel struct {
	Client  string
	Clients []auth.Client
	// Fault is why the change would be refused.
	Fault string
	// Changed: there is a change to compare with what is now.
	Changed bool
	Meters  []meter
	Tokens  []token
	Diff    []difference
	Sources []source
}

// meter is a budget: what is used of it, in bytes.
type meter struct {
	Label                string
	Before, After, Limit int
}

// Over and High say how full it is.
func (m meter) Over() bool { return m.After > m.Limit }

// High is four fifths of the budget.
func (m meter) High() int { return m.Limit * 4 / 5 }

type token struct {
	Name, Claims string
	Bytes, Size  int
}

type difference struct {
	Claim  string
	Places []string
	// All: it is the same in every kind of token there is.
	All           bool
	Before, After string
}

// revisions are claims that count changes: that they differ says nothing.
var revisions = []string{"claims_rev", "claims_app_rev", "claims_org_rev"}

// source is an entry that could be in tokens.
type source struct {
	Key, Source, Group, Value string
	// Shown are the kinds of token it is in, Why the reasons it is not in the others, HiddenBy what goes before it.
	Shown    []string
	Why      []page.Fact
	HiddenBy string
	Plain    bool // no claim
}

// preview finds out what a change would do to tokens of the user for a client, or, for what users inherit, to its budget.
func (e *editing) preview(change metadata.Change, client string) (*panel, error) {
	if e.subject.Target.Shared {
		return e.previewShared(change)
	}
	p := &panel{Client: client, Clients: e.data.Apps, Changed: len(change.Set)+len(change.Delete) > 0}
	if app := e.subject.Target.App; app != "" {
		p.Client = app
	}
	request := preview.Request{
		Target: metadata.Target{Org: e.subject.Target.Org, User: e.subject.Target.User}, Client: p.Client,
	}
	now := request
	if p.Changed {
		request.Change = &metadata.Proposal{Change: change, App: e.subject.Target.App != ""}
	}
	ctx := e.Request().Context()
	shown, err := e.Preview.Preview(ctx, e.caller, request)
	if err != nil && p.Changed {
		if p.Fault = e.fault(err); p.Fault == "" {
			return nil, err
		}
		shown, err = e.Preview.Preview(ctx, e.caller, now)
	}
	if err != nil {
		if p.Fault = e.fault(err); p.Fault == "" {
			return nil, err
		}
		return p, nil
	}
	e.fillPanel(p, &shown)
	return p, nil
}

func (e *editing) fillPanel(p *panel, shown *preview.Preview) {
	p.Meters = []meter{{e.text("preview.budget.own"), shown.Own.Before, shown.Own.After, shown.Own.Limit}}
	if p.Client != "" {
		p.Meters = append(p.Meters, meter{e.text("preview.budget.application"), shown.App.Before, shown.App.After, shown.App.Limit})
	}
	inherited := meter{e.text("preview.budget.inherited"), shown.Inherited.Before, shown.Inherited.After, shown.Inherited.Limit}
	p.Meters = append(p.Meters, inherited)
	for _, t := range []struct {
		name  string
		token preview.Token
	}{
		{auth.InAccessToken, shown.After.AccessToken}, {auth.InIDToken, shown.After.IDToken}, {auth.InUserInfo, shown.After.UserInfo},
		{auth.InIntrospection, shown.After.Introspection},
	} {
		if t.token.Claims != nil {
			p.Tokens = append(p.Tokens, token{t.name, page.Pretty(string(t.token.Claims)), t.token.Bytes, t.token.Size})
		}
	}
	for _, d := range shown.Diff {
		if !slices.Contains(revisions, d.Claim) {
			p.Diff = append(p.Diff, difference{d.Claim, d.Tokens, len(d.Tokens) == len(p.Tokens), string(d.Before), string(d.After)})
		}
	}
	for _, c := range shown.Entries {
		p.Sources = append(p.Sources, e.source(c))
	}
}

func (e *editing) source(c metadata.Candidate) source {
	s := source{
		Key: c.Key, Source: e.text("source." + string(c.Source)), Group: c.Group, Value: shorten(page.Readable(c.JSON), 60),
		Plain: !c.ProfileClaim,
	}
	if c.HiddenBy != "" {
		s.HiddenBy = e.text("source." + string(c.HiddenBy))
		return s
	}
	if s.Plain {
		return s
	}
	for _, place := range metadata.Places {
		if why := c.Why[place]; why == "" {
			s.Shown = append(s.Shown, place)
		} else {
			s.Why = append(s.Why, page.Fact{Name: place, Value: why})
		}
	}
	return s
}

// previewShared is about a document users inherit from: whether the change would be refused, and what it takes of the budget.
func (e *editing) previewShared(change metadata.Change) (*panel, error) {
	p, ctx := &panel{Changed: len(change.Set)+len(change.Delete) > 0}, e.Request().Context()
	limits := metadata.DefaultLimits
	if e.Metadata.Limits != nil {
		var err error
		if limits, err = e.Metadata.Limits(ctx, e.subject.Target.Org); err != nil {
			return nil, err
		}
	}
	m := meter{Label: e.text("preview.budget.document"), Limit: limits.InheritedBytes}
	for _, stored := range e.doc.Entries {
		if stored.ProfileClaim {
			m.Before += metadata.ClaimBytes(stored.Key, stored.Value)
		}
	}
	m.After = m.Before
	for _, stored := range e.doc.Entries {
		again := slices.ContainsFunc(change.Set, func(put metadata.Put) bool { return put.Key == stored.Key })
		if stored.ProfileClaim && (again || slices.Contains(change.Delete, stored.Key)) {
			m.After -= metadata.ClaimBytes(stored.Key, stored.Value)
		}
	}
	for _, put := range change.Set {
		if put.ProfileClaim {
			m.After += metadata.ClaimBytes(put.Key, put.Value)
		}
	}
	p.Meters = append(p.Meters, m)
	for _, put := range change.Set {
		before := ""
		if stored, ok := e.doc.Entry(put.Key); ok {
			before = shownValue(stored.Value)
		}
		p.Diff = append(p.Diff, difference{Claim: put.Key, Before: before, After: shownValue(put.Value)})
	}
	for _, key := range change.Delete {
		if stored, ok := e.doc.Entry(key); ok {
			p.Diff = append(p.Diff, difference{Claim: key, Before: shownValue(stored.Value)})
		}
	}
	slices.SortFunc(p.Diff, func(a, b difference) int { return strings.Compare(a.Claim, b.Claim) })
	if !p.Changed || !e.mayWrite() {
		return p, nil
	}
	_, err := e.Metadata.Make(ctx, e.caller, e.subject.Target, change, nil, metadata.Precondition{}, true)
	if err != nil {
		if p.Fault = e.fault(err); p.Fault == "" {
			return nil, err
		}
	}
	return p, nil
}
