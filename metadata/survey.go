package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// findings are a Report and what it was made from.
type findings struct {
	Report
	// selfWritten is how many of the violations are claims that users wrote themselves under a key that is not theirs to claim.
	selfWritten int
	// most is what the user who would inherit most would, limit what he may.
	most, limit int
}

// survey compares what one definition and another in its place make of everybody's entries; nil is none.
func (s *Service) survey(ctx context.Context, scheme *Scheme, old, made *Definition, p Page) (findings, error) {
	limits, err := s.limits(ctx, scheme.Org)
	if err != nil {
		return findings{}, err
	}
	before, after := scheme.defining(made.Key, old), scheme.defining(made.Key, made)
	v := surveyor{
		service: s, old: old, made: made, page: p, before: newResolver(before), after: newResolver(after),
		inheritedBefore: before.heirs(), inheritedAfter: after.heirs(), closes: !made.selfClaims(),
		opens: made.selfClaims() && (old == nil || !old.selfClaims()),
	}
	v.found.limit = limits.InheritedBytes
	if v.page.Limit <= 0 || v.page.Limit > MaxListedViolations {
		v.page.Limit = MaxListedViolations
	}
	if err := v.visitShared(ctx, scheme); err != nil {
		return v.found, err
	}
	err = s.Store.Scan(ctx, scheme.Org, Extent{Keys: []string{made.Key}, Claims: true}, v.visit)
	v.endUser()
	if v.found.OverBudget == 0 {
		v.budget(nil) // of the first who comes
	}
	if len(v.found.Listed) > v.page.Limit {
		v.found.Listed = v.found.Listed[:v.page.Limit]
		v.found.Next = v.found.Listed[v.page.Limit-1].position()
	}
	return v.found, err
}

// MaxListedViolations is how many violations a report lists at most.
const MaxListedViolations = 1000

// defining is a scheme with another definition of a key, nil for none.
func (s *Scheme) defining(key string, d *Definition) *Scheme {
	other := *s
	other.Definitions = slices.DeleteFunc(slices.Clone(s.Definitions), func(known Definition) bool { return known.Key == key })
	if d != nil {
		i, _ := slices.BinarySearchFunc(other.Definitions, key, func(d Definition, key string) int { return strings.Compare(d.Key, key) })
		other.Definitions = slices.Insert(other.Definitions, i, *d)
	}
	return &other
}

type surveyor struct {
	service                         *Service
	old, made                       *Definition
	page                            Page
	opens, closes                   bool
	before, after                   *resolver
	inheritedBefore, inheritedAfter func(groups []string) int
	found                           findings

	// The user whose documents are being visited, his user-wide one first, and what becomes of his tokens.
	user                      Owner
	own                       Claims
	gaining, losing, changing bool
}

// position orders violations; those of shared documents come first.
func (v *Violation) position() string {
	if v.Owner.Shared() {
		return "0" + v.Owner.Group + "\x00" + v.Key
	}
	return "1" + v.Owner.User + " " + v.Owner.App + "\x00" + v.Key
}

func (v *surveyor) visitShared(ctx context.Context, scheme *Scheme) error {
	owners := []Owner{{Org: scheme.Org}}
	for _, g := range scheme.Groups {
		owners = append(owners, Owner{Org: scheme.Org, Group: g.ID})
	}
	for _, o := range owners {
		e, err := v.service.Store.GetEntry(ctx, o, v.made.Key)
		var fault *Error
		switch {
		case err == nil:
			if err := v.entry(o, &e); err != nil {
				return err
			}
		case !errors.As(err, &fault) || fault.Code != NotFound:
			return err
		}
		v.found.Documents++
		v.variants(o, scheme.Shared[o.Group])
	}
	return nil
}

func (v *surveyor) visit(h Holding) error {
	v.found.Documents++
	for i := range h.Entries {
		if err := v.entry(h.Owner, &h.Entries[i]); err != nil {
			return err
		}
	}
	v.variants(h.Owner, h.Claims)
	if h.Owner.App == "" || h.Owner.User != v.user.User {
		v.endUser()
		v.user, v.own = h.Owner, Claims{}
	}
	if h.Owner.App != "" {
		v.own.App = v.only(h.Claims)
	} else {
		v.own.User, v.own.Groups = v.only(h.Claims), h.Groups
		v.budget(h.Groups)
	}
	v.compare()
	return nil
}

// budget counts a user in these groups if he would inherit too much, and more than he does.
func (v *surveyor) budget(groups []string) {
	if would := v.inheritedAfter(groups); would > v.found.limit && would > v.inheritedBefore(groups) {
		v.found.OverBudget++
		v.found.most = max(v.found.most, would)
	}
}

// only are the claims of the key, in whatever case.
func (v *surveyor) only(claims []Claim) []Claim {
	var those []Claim
	for _, c := range claims {
		if strings.EqualFold(c.Key, v.made.Key) {
			those = append(those, c)
		}
	}
	return those
}

// compare notes what becomes of the tokens of one application, or of all that have nothing about the user.
func (v *surveyor) compare() {
	was, is := v.before.resolve(v.own, "", 0), v.after.resolve(v.own, "", 0)
	for _, place := range Places {
		before, after := v.shown(was, place), v.shown(is, place)
		v.gaining = v.gaining || before == "" && after != ""
		v.losing = v.losing || before != "" && after == ""
		v.changing = v.changing || before != "" && after != "" && before != after
	}
}

func (v *surveyor) shown(claims *ProfileClaims, place string) string {
	for key, value := range claims.In(place) {
		if strings.EqualFold(key, v.made.Key) {
			return key + " " + value
		}
	}
	return ""
}

func (v *surveyor) endUser() {
	for _, count := range []struct {
		is *bool
		n  *int
	}{{&v.gaining, &v.found.Gaining}, {&v.losing, &v.found.Losing}, {&v.changing, &v.found.Changing}} {
		if *count.is {
			*count.n++
		}
		*count.is = false
	}
}

// entry judges one entry of the key.
func (v *surveyor) entry(o Owner, e *Entry) error {
	v.found.Entries++
	selfWritten := e.ProfileClaim && !o.Shared() && e.ChangedBy == "user:"+o.User
	if v.opens && e.ProfileClaim && !selfWritten {
		v.found.SelfWrite++
	}
	why, err := v.against(e)
	if err == nil && why == "" && v.closes && selfWritten {
		why = "the user wrote this claim himself, which the definition does not allow"
	}
	if v.closes && selfWritten {
		v.found.selfWritten++
	}
	if err == nil && why != "" {
		v.list(Violation{o, e.Key, why})
	}
	return err
}

// against says which rule of the definition an entry is against, "" for none.
func (v *surveyor) against(e *Entry) (string, error) {
	d := v.made
	switch {
	case e.ProfileClaim && d.claims() == ClaimNever:
		return "the entry is a profile claim, which the definition says it never is", nil
	case !e.ProfileClaim && d.claims() == ClaimAlways:
		return "the entry is no profile claim, which the definition says it always is", nil
	case len(e.Value.raw) > d.bytes():
		return fmt.Sprintf("the value has %d bytes, the limit of the definition is %d", len(e.Value.raw), d.bytes()), nil
	}
	why, err := v.service.misfit(d, e.Value)
	if err != nil || why == "" {
		return "", err
	}
	return "the value " + why, nil
}

// variants are claims that the definition is for, although their keys are not quite its own.
func (v *surveyor) variants(o Owner, claims []Claim) {
	for _, c := range claims {
		if c.Key != v.made.Key && strings.EqualFold(c.Key, v.made.Key) {
			v.found.Entries++
			v.list(Violation{o, c.Key, fmt.Sprintf("the key differs only in case from %q", v.made.Key)})
		}
	}
}

// list counts a violation, and keeps it if it is among the first of the page; one more than that tells that there are others.
func (v *surveyor) list(found Violation) {
	v.found.Violations++
	at := found.position()
	if at <= v.page.After {
		return
	}
	listed := v.found.Listed
	i, _ := slices.BinarySearchFunc(listed, at, func(other Violation, at string) int { return strings.Compare(other.position(), at) })
	if i > v.page.Limit {
		return
	}
	listed = slices.Insert(listed, i, found)
	v.found.Listed = listed[:min(len(listed), v.page.Limit+1)]
}
