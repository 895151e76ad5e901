package metadata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/claimsmith/claimsmith/internal/audit"
)

// schemeAttempts is how often a change is checked anew because the scheme has changed.
const schemeAttempts = 4

// write is a change of a document, however it was asked for.
type write struct {
	change Change
	groups *[]string // ids, ascending; nil leaves the user in his
	pre    Precondition
	dryRun bool
	// action is the audit event's, "" for metadata.write.
	action string
	// operators alone may, and not the user himself.
	operators bool
	// op is the operation's id, "" for a new one.
	op string
	// beside is how many documents of applications about the user are to be created with this one.
	beside int
}

// outcome is a document after a change, with the scheme that allowed it. Nothing is left out of it that a caller may not read.
type outcome struct {
	Owner    Owner
	Document Document
	Scheme   *Scheme
}

// apply is the one way to change a document.
func (s *Service) apply(ctx context.Context, c Caller, t Target, w write) (outcome, error) {
	var out outcome
	patch, err := s.patch(ctx, c, w.change, w.pre)
	if err != nil {
		return out, err
	}
	patch.Groups, patch.DryRun, patch.Op = w.groups, w.dryRun, cmp.Or(w.op, patch.Op)
	err = s.write(ctx, c, t, w, func(o Owner, asSelf bool) (err error) {
		out = outcome{Owner: o}
		if w.groups != nil && (o.App != "" || o.Shared()) {
			return invalid("groups", "groups belong to the user-wide document of a user")
		}
		if patch.Limits, err = s.limits(ctx, o.Org); err != nil {
			return err
		}
		patch.Limits.Applications -= w.beside
		if o.Shared() {
			return s.applyShared(ctx, patch, &out)
		}
		return s.underScheme(ctx, o.Org, func(scheme *Scheme) (err error) {
			checked := patch
			if err := s.check(ctx, scheme, o, asSelf, &checked); err != nil {
				return err
			}
			out.Scheme = scheme
			out.Document, err = s.Store.Apply(ctx, o, checked)
			return err
		})
	})
	return out, err
}

// underScheme runs do with an organisation's scheme, and again with the latest one if do was refused for what is out of date.
func (s *Service) underScheme(ctx context.Context, org string, do func(*Scheme) error) error {
	scheme, err := s.scheme(ctx, org)
	for range schemeAttempts {
		if err != nil {
			return err
		}
		refusal := do(scheme)
		changed := errors.Is(refusal, ErrSchemeChanged)
		if refusal == nil || !changed && !couldDepend(refusal) {
			return refusal
		}
		used := scheme
		if scheme, err = s.latest(ctx, org); err == nil && !changed && scheme.Revision == used.Revision {
			return refusal
		}
	}
	return ErrSchemeChanged
}

// couldDepend reports whether a refusal could be because of a definition or a group.
func couldDepend(err error) bool {
	return isCode(err, Invalid) || isCode(err, Forbidden) || isCode(err, LimitExceeded)
}

// check makes sure that a patch of somebody's document obeys a scheme, and completes it by what that lays down. p shares nothing that it
// changes with other patches. An owner without a user stands for one who has nothing yet.
func (s *Service) check(ctx context.Context, scheme *Scheme, o Owner, asSelf bool, p *Patch) error {
	p.Scheme = scheme.Revision
	if asSelf {
		if err := p.limitToSelf(scheme); err != nil {
			return err
		}
	}
	p.Set = slices.Clone(p.Set)
	for i := range p.Set {
		put := &p.Set[i]
		d := scheme.Definition(put.Key)
		if d != nil && s.Now().Before(d.Frozen) {
			return ErrSchemeChanged
		}
		var err error
		if asSelf {
			err = s.markOwn(ctx, o, d, put)
		} else {
			err = put.mark(d)
		}
		if err == nil {
			err = s.obeysEither(d, put)
		}
		if err != nil {
			return err
		}
	}
	for _, key := range p.Delete {
		if d := scheme.Definition(key); d != nil && s.Now().Before(d.Frozen) {
			return ErrSchemeChanged
		}
	}
	if p.Groups != nil {
		return s.checkGroups(ctx, scheme, o, *p.Groups, p.Limits.InheritedBytes)
	}
	return nil
}

// limitToSelf makes a patch one that a user makes to himself, unless he may not.
func (p *Patch) limitToSelf(scheme *Scheme) error {
	if p.Groups != nil {
		return &Error{Code: Forbidden, Field: "groups", Detail: "only an operator puts users into groups"}
	}
	if d := scheme.Definition(p.If.Key); p.If.Key != "" && d.reads() == ForOperators {
		return errReserved(p.If.Key) // whether or not there is an entry
	}
	p.Self = &SelfRules{}
	about := func(d *Definition) {
		if d.writes() == ForSelf {
			p.Self.Own = append(p.Self.Own, d.Key)
		} else {
			p.Self.Reserved = append(p.Self.Reserved, d.Key)
		}
	}
	if p.Replace {
		for i := range scheme.Definitions {
			about(&scheme.Definitions[i])
		}
	}
	named := slices.Clone(p.Delete)
	for _, put := range p.Set {
		named = append(named, put.Key)
	}
	for _, key := range named {
		d := scheme.Definition(key)
		switch {
		case d == nil:
		case d.writes() != ForSelf:
			return errReserved(key)
		case !p.Replace && d.Key == key:
			about(d)
		}
	}
	return nil
}

func errReserved(key string) error {
	return &Error{Code: Forbidden, Field: key, Detail: fmt.Sprintf("%q: its definition lets only operators write it", key)}
}

// mark settles whether an entry that an operator writes is a profile claim.
func (p *Put) mark(d *Definition) error {
	rule := d.claims()
	switch {
	case p.Unmarked:
		p.ProfileClaim, p.Unmarked = d.marks(), p.Kept && rule == ClaimOptional
	case rule == ClaimAlways && !p.ProfileClaim:
		return invalid(p.Key, "%q: its definition says that it is always a profile claim", p.Key)
	case rule == ClaimNever && p.ProfileClaim:
		return invalid(p.Key, "%q: its definition says that it is never a profile claim", p.Key)
	}
	return nil
}

// markOwn settles it for one that a user writes himself. What he says about it can only be what would be so without.
func (s *Service) markOwn(ctx context.Context, o Owner, d *Definition, p *Put) error {
	says := !p.Unmarked
	would := d.marks()
	if d.claims() != ClaimOptional || d == nil {
		p.Unmarked = false
	} else {
		if says && o.User != "" {
			e, err := s.Store.GetEntry(ctx, o, p.Key)
			var fault *Error
			switch {
			case err == nil:
				would = e.ProfileClaim
			case errors.As(err, &fault) && fault.Code == NotFound && fault.Field != "":
			default:
				return err
			}
		}
		p.Unmarked = true
	}
	if says && p.ProfileClaim != would {
		return &Error{
			Code: Forbidden, Field: p.Key, Detail: fmt.Sprintf("%q: only an operator decides whether an entry is a profile claim", p.Key),
		}
	}
	p.ProfileClaim = d.marks()
	return nil
}

// obeys reports why an entry, its mark being settled, is against the definition of its key; d may be nil.
func (s *Service) obeys(d *Definition, p *Put) error {
	if p.ProfileClaim {
		if p.Value.kind != KindJSON && !(p.Unmarked && p.Kept) { // or else the store knows
			return invalid(p.Key, "%q: a value of bytes cannot be a profile claim", p.Key)
		}
		if err := CheckClaimKey(p.Key); err != nil {
			return err
		}
	}
	if d == nil {
		return nil
	}
	if p.Key != d.Key {
		return invalid(p.Key, "%q differs only in case from %q, which is defined", p.Key, d.Key)
	}
	if len(p.Value.raw) > d.bytes() {
		return Exceeded(p.Key, fmt.Sprintf("%q: bytes of a value, by its definition", p.Key), len(p.Value.raw), d.bytes())
	}
	why, err := s.misfit(d, p.Value)
	if err != nil {
		return err
	}
	if why != "" {
		return invalid(p.Key, "%q: %s", p.Key, why)
	}
	if d.Searchable {
		p.Term = TermOf(p.Value)
	}
	return nil
}

// obeysEither is obeys with the Value that a definition allows: its Alike where that is, and the Value is not.
func (s *Service) obeysEither(d *Definition, p *Put) error {
	err := s.obeys(d, p)
	if err == nil || p.Alike == (Value{}) {
		return err
	}
	other := *p
	other.Value, other.Alike = p.Alike, Value{}
	if s.obeys(d, &other) != nil {
		return err
	}
	*p = other
	return nil
}

// misfit says why a value is against a definition's schema, "" if it is not.
func (s *Service) misfit(d *Definition, v Value) (string, error) {
	switch {
	case d.Schema == "":
		return "", nil
	case v.kind != KindJSON:
		return "must be JSON: its definition has a schema", nil
	}
	compiled, err := s.schemas.of(d.Schema)
	if err != nil {
		return "", Unknown(fmt.Sprintf("compile the schema of %q", d.Key), err)
	}
	return compiled.check(v.raw), nil
}

// visible is a document without the entries the caller may not read. It may share the entries' memory.
func visible(c Caller, org string, scheme *Scheme, doc Document) Document {
	if c.MayWrite(org) || len(scheme.Definitions) == 0 {
		return doc
	}
	doc.Entries = slices.DeleteFunc(doc.Entries, func(e Entry) bool { return !readable(c, org, scheme.Definition(e.Key)) })
	return doc
}

// via is the dialect a request came through.
func via(ctx context.Context) string { return audit.RequestFrom(ctx).Dialect }
