// Package records is what is kept of a person beside his record and his metadata: numbered records of a few kinds, and files. Whose
// they are, and who may see and change them, is decided here for all kinds.
package records

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
)

// Collection is the records of one kind that an organisation has of a user, or, with User "", for itself.
type Collection struct{ Org, User, Kind string }

// Record is one of them.
type Record struct {
	// Kind is its collection's.
	Kind string
	// ID is given by the store: from 1, counted for all kinds of an organisation and user together, never used again.
	ID uint64
	// Name, if not "", is unique in the collection.
	Name string
	// Needs, if not "", is another record of the same organisation and user, as "<kind>:<id>", that cannot be removed before this one.
	Needs string
	// Body is JSON.
	Body      []byte
	CreatedAt time.Time
	UpdatedAt time.Time
	// Version counts the record's changes from 1.
	Version uint64
}

// Store keeps records. Every mutation is atomic, refused (NotFound) for a user who does not exist, is being deleted or is no member of the
// organisation, and can be repeated after an unknown outcome: what was done is not done twice, as long as no more than 127 other mutations
// of the same organisation and user came in between.
type Store interface {
	// Records lists a collection, and with it those of the same organisation and user that are of the other kinds, in the order of the
	// ids, as all of them are at one moment.
	Records(ctx context.Context, c Collection, others ...string) ([]Record, error)
	// CreateRecord adds a record and returns it with its ID and Version. op is the operation's own random text. It fails with Conflict and
	// Field "name" where the name is taken, NotFound and Field "needs" where what it needs is not there, Conflict and Field "limit" where
	// the collection has limit records already, and Conflict and Field "size" where the organisation would have more than 4 MiB of bodies
	// of the user, or for itself.
	CreateRecord(ctx context.Context, c Collection, r Record, op string, limit int) (Record, error)
	// UpdateRecord replaces the Name, Needs, Body and UpdatedAt of the record with r.ID and r.Version (else PreconditionFailed). What is
	// refused of a new record is refused of a changed one.
	UpdateRecord(ctx context.Context, c Collection, r Record, op string) (Record, error)
	// DeleteRecord removes a record: NotFound where there is none, Conflict and Field "needed" where another one needs it.
	DeleteRecord(ctx context.Context, c Collection, id uint64, op string) error
	// EraseRecords removes everything these organisations have of a user, but for those he is a member of, again or still. What is gone
	// already is no error.
	EraseRecords(ctx context.Context, user string, orgs []string) error
}

// Service is what the kinds of records have in common. It is safe for concurrent use.
type Service struct {
	Store Store
	// Files is nil where there is no place for files.
	Files *Files
	Users *auth.Users
}

// Subject finds whom a request is about, who may be "me". A person is asked about by himself alone: everybody else is AccessDenied to
// him, existing or not. Who may read in the organisation may look at all of its users, who may write there may change them. An organisation
// the caller has no part in is NotFound, whatever else was asked.
func (s *Service) Subject(ctx context.Context, caller *auth.Caller, org, name string, change bool) (auth.User, error) {
	_, himself := caller.Self(org)
	switch {
	case !himself && !caller.MayRead(org):
		return auth.User{}, &auth.Error{Code: auth.NotFound, Detail: "no such organisation"}
	case !himself && change && !caller.MayWrite(org):
		return auth.User{}, &auth.Error{Code: auth.AccessDenied, Detail: "this credential may not change a user"}
	}
	user, err := s.Users.Find(ctx, caller, org, name)
	if himself && auth.CodeOf(err) == auth.NotFound {
		return auth.User{}, &auth.Error{Code: auth.AccessDenied, Detail: "this credential is for its own user alone"}
	}
	return user, err
}

// EraseUser implements auth.Eraser. What organisations keep whose member he is, again or still, stays. It is Unavailable, and nothing is
// erased, where there is no place for files and he had some before.
func (s *Service) EraseUser(ctx context.Context, user string, orgs []string, whole bool) error {
	if s.Files == nil {
		named, err := s.namesFiles(ctx, user, orgs, whole)
		if err != nil {
			return err
		}
		if named {
			return &auth.Error{
				Code: auth.Unavailable, Detail: "the user has files, but this server has no place for files: its operator has to set --files",
			}
		}
	}
	if err := s.Store.EraseRecords(ctx, user, orgs); err != nil || s.Files == nil {
		return err
	}
	if whole {
		return s.Files.Erase(ctx, Folder{User: user})
	}
	now, _, err := s.Users.Store.User(ctx, user)
	if err != nil && auth.CodeOf(err) != auth.NotFound {
		return err
	}
	for _, org := range orgs {
		if now.Deleting || !now.MemberOf(org) {
			err = s.Files.Erase(ctx, Folder{User: user, Org: org})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Resume is the kind of records that name files: in the members "files", those that are there, and "gone", the ids of those that may be.
const Resume = "resume"

// namesFiles reports whether what is to be erased of a user names files.
func (s *Service) namesFiles(ctx context.Context, user string, orgs []string, whole bool) (bool, error) {
	now, _, err := s.Users.Store.User(ctx, user)
	if err != nil && auth.CodeOf(err) != auth.NotFound {
		return false, err
	}
	if whole && now.Biography.Picture != "" {
		return true, nil
	}
	for _, org := range orgs {
		if !now.Deleting && now.MemberOf(org) {
			continue
		}
		resumes, err := s.Store.Records(ctx, Collection{Org: org, User: user, Kind: Resume})
		if err != nil {
			return false, err
		}
		for _, r := range resumes {
			var names struct {
				Files []jsontext.Value `json:"files"`
				Gone  []string         `json:"gone"`
			}
			if err := json.Unmarshal(r.Body, &names); err != nil {
				return false, &auth.Error{Code: auth.Unavailable, Detail: "the résumé cannot be read", Err: err}
			}
			if len(names.Files)+len(names.Gone) > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}
