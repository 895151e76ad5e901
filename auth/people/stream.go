package people

import (
	"context"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/metadata"
)

// Stream is lines L, each of which comes to a result R. What is wrong with one line ends with it.
type Stream[L, R any] struct {
	// Next returns the next line, io.EOF after the last; any other error ends the stream and is returned by what works on it.
	Next func() (Unread[L], error)
	// Done takes what came of each line, in the order of the lines. An error ends the stream.
	Done func(Outcome[R]) error
	// Step bounds the time one line may take.
	Step func(context.Context) (context.Context, context.CancelFunc)
}

// Unread is a line that has arrived.
type Unread[L any] struct {
	Number int
	// Size is about how many bytes it takes.
	Size int
	// Read returns what it says. It is called for several lines at once.
	Read func() (L, error)
}

// Outcome is what came of a line.
type Outcome[R any] struct {
	Number int
	Result R
	Err    error
	// More says that the outcome of another line is about to follow.
	More bool
}

// line is one of a stream under way.
type line[L, R any] struct {
	unread Unread[L]
	value  L
	out    Outcome[R]
}

// run works on all lines: those that are about the same thing one after the other, others at once.
func (s Stream[L, R]) run(
	ctx context.Context, about func(context.Context, *L) (string, error), work func(context.Context, *L) (R, error),
) error {
	return flow[line[L, R]]{
		next: func() (*line[L, R], int, error) {
			unread, err := s.Next()
			return &line[L, R]{unread: unread, out: Outcome[R]{Number: unread.Number}}, unread.Size, err
		},
		prepare: func(ctx context.Context, l *line[L, R]) (of string) {
			if l.value, l.out.Err = l.unread.Read(); l.out.Err != nil {
				return ""
			}
			ctx, cancel := s.Step(ctx)
			defer cancel()
			of, l.out.Err = about(ctx, &l.value)
			return of
		},
		work: func(ctx context.Context, l *line[L, R]) {
			if l.out.Err != nil {
				return
			}
			ctx, cancel := s.Step(ctx)
			defer cancel()
			l.out.Result, l.out.Err = work(ctx, &l.value)
		},
		done: func(l *line[L, R], more bool) error {
			l.out.More = more
			return s.Done(l.out)
		},
	}.run(ctx)
}

// operates refuses who does not operate an organisation: streams are theirs alone, as they keep a server busy for as long as they like.
// The organisation is the caller's own where none is named.
func operates(caller *auth.Caller, named string) (org string, err error) {
	org = caller.OrgOf(named)
	switch {
	case caller.MayWrite(org):
		return org, nil
	case caller.MayRead(org):
		return org, &auth.Error{Code: auth.AccessDenied, Detail: "this credential may not change users"}
	}
	return org, errNoOrg
}

var errNoOrg = &auth.Error{Code: auth.NotFound, Detail: "no such organisation"}

// Line is a change of a user's document: of its entries, of his groups, or of both at once.
type Line struct {
	User, App string
	Change    metadata.Change
	// Groups are slugs of all the groups he is to be in, nil for those he is in.
	Groups *[]string
	If     metadata.Precondition
}

// Bulk makes changes of an organisation's documents, each by itself, and returns their new revisions. A dry run refuses what would be
// refused of each line, if it was the only one.
func (s *Service) Bulk(ctx context.Context, caller *auth.Caller, org string, dryRun bool, lines Stream[Line, uint64]) error {
	org, err := operates(caller, org)
	if err != nil {
		return err
	}
	return lines.run(ctx,
		func(ctx context.Context, l *Line) (string, error) { return s.whom(ctx, l.User) },
		func(ctx context.Context, l *Line) (uint64, error) {
			t := metadata.Target{Org: org, User: l.User, App: l.App}
			l.Change.Brief = true
			doc, err := s.Metadata.Make(ctx, caller, t, l.Change, l.Groups, l.If, dryRun)
			return doc.Revision, err
		})
}

// whom returns the same for all names of one user, for putting what is about him in order. Nobody's id is another's username.
func (s *Service) whom(ctx context.Context, name string) (string, error) {
	id, _, err := s.Users.UserByName(ctx, name)
	if err != nil || id == "" {
		return name, err
	}
	return id, nil
}
