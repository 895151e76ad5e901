package career

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/auth/ticket"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// MaxFile is the most bytes the files of an upload may have together.
const MaxFile = 26_214_400

// Bounds of a résumé.
const (
	maxFiles     = 20
	maxFileBytes = 100 << 20
	maxLinks     = 50
)

// addressLifetime is how long a FileURL is good for.
const addressLifetime = 5 * time.Minute

// Resume is a person's résumé with other files, and links.
type Resume struct {
	ID     uint64 // 0 before anything was added
	Person Person
	Org    string
	Files  []ResumeFile
	Links  []string
}

// ResumeFile is one of them. Type is "resume" for the résumé itself, of which there is one at most.
type ResumeFile struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	MediaType string    `json:"media_type"`
	Size      int64     `json:"size"`
	Digest    string    `json:"digest"` // the SHA-256 of the content in base64url
	AddedAt   time.Time `json:"added_at"`
}

// typeResume is the ResumeFile.Type of the résumé itself, and typeOther of what nobody said more about.
const (
	typeResume = "resume"
	typeOther  = "other"
)

// Upload is what is sent to a résumé: its parts in the order they come, each to be read before the next. What is not a file has Name "".
type Upload iter.Seq2[Part, error]

// Part is a field, or a file with the name and the media type it was sent with, neither of which is believed.
type Part struct {
	Field, Name, MediaType string
	Body                   io.Reader
}

// ErrTooLarge is an upload whose files have more than MaxFile bytes.
var ErrTooLarge = errors.New("the files of an upload may have at most " + strconv.Itoa(MaxFile) + " bytes")

// stored is the body of the one record of a person's résumé.
type stored struct {
	Files []ResumeFile `json:"files"`
	Links []string     `json:"links"`
	// Gone are the ids of files that the last change removed. What could not be deleted then is with the next one.
	Gone []string `json:"gone,omitempty"`
}

// find returns a file, or nil.
func (s *stored) find(id string) *ResumeFile {
	at := slices.IndexFunc(s.Files, func(f ResumeFile) bool { return f.ID == id })
	if at < 0 {
		return nil
	}
	return &s.Files[at]
}

// Resume reads it.
func (s *Service) Resume(ctx context.Context, caller *auth.Caller, org, user string) (Resume, error) {
	owner, err := s.Subject(ctx, caller, org, user, false)
	if err != nil {
		return Resume{}, err
	}
	record, body, err := s.stored(ctx, org, owner.ID)
	if err != nil {
		return Resume{}, err
	}
	return s.resume(ctx, org, owner, record.ID, body)
}

func (s *Service) resume(ctx context.Context, org string, owner auth.User, id uint64, body stored) (Resume, error) {
	number, err := s.Users.Number(ctx, owner.ID)
	return Resume{ID: id, Person: Person{User: owner, Number: number}, Org: org, Files: body.Files, Links: body.Links}, err
}

// stored reads the record, which is zero before there is one.
func (s *Service) stored(ctx context.Context, org, user string) (record records.Record, body stored, err error) {
	all, err := s.Store.Records(ctx, records.Collection{Org: org, User: user, Kind: records.Resume})
	if err != nil || len(all) == 0 {
		return record, body, err
	}
	if err := json.Unmarshal(all[0].Body, &body); err != nil {
		return record, body, &auth.Error{Code: auth.Unavailable, Detail: "the résumé cannot be read", Err: err}
	}
	return all[0], body, nil
}

// AddToResume adds the files and links of an upload. A new résumé replaces the old one, a file that is there already, by its name and its
// content, itself, and the set of links, if there are any, the old links. What is refused leaves everything as it was: Faults, by field, or
// ErrTooLarge; Throttled and Busy where too many uploads are under way.
func (s *Service) AddToResume(ctx context.Context, caller *auth.Caller, org, user string, up Upload) (Resume, error) {
	owner, err := s.Subject(ctx, caller, org, user, true)
	var r Resume
	if err == nil {
		r, err = s.addToResume(ctx, org, user, owner, up)
	}
	s.recordResume(ctx, caller, org, owner.ID, err)
	return r, err
}

func (s *Service) addToResume(ctx context.Context, org, asked string, owner auth.User, up Upload) (Resume, error) {
	if err := s.underWay.enter(owner.ID); err != nil {
		return Resume{}, err
	}
	defer s.underWay.leave(owner.ID)
	u := &uploading{Service: s, folder: records.Folder{User: owner.ID, Org: org}, owner: &owner, asked: asked, faults: Faults{}}
	if err := u.read(ctx, up); err != nil {
		u.withdraw(ctx, &stored{})
		return Resume{}, err
	}
	record, body, err := s.changeResume(ctx, org, owner.ID, u.apply)
	if auth.CodeOf(err) == auth.Unavailable { // the record may have been changed: what it names must be there
		return Resume{}, err
	}
	if err != nil {
		body = stored{}
	}
	u.withdraw(ctx, &body)
	if err != nil {
		return Resume{}, err
	}
	return s.resume(ctx, org, owner, record.ID, body)
}

// RemoveFile removes a file: NotFound where there is none.
func (s *Service) RemoveFile(ctx context.Context, caller *auth.Caller, org, user, id string) error {
	owner, err := s.Subject(ctx, caller, org, user, true)
	if err == nil {
		_, _, err = s.changeResume(ctx, org, owner.ID, func(body *stored) error {
			if body.find(id) == nil {
				return noFile()
			}
			body.Files = slices.DeleteFunc(body.Files, func(f ResumeFile) bool { return f.ID == id })
			return nil
		})
	}
	s.recordResume(ctx, caller, org, owner.ID, err)
	return err
}

const (
	// changeAttempts is how often a change is tried that others came before.
	changeAttempts = 8
	// changeTime is how long a change may take once the upload is here: whoever sent it need not wait for it.
	changeTime = 10 * time.Second
)

// changeResume changes the record, and deletes the files that it names no more.
func (s *Service) changeResume(
	ctx context.Context, org, user string, apply func(*stored) error,
) (record records.Record, body stored, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTime)
	defer cancel()
	of := records.Collection{Org: org, User: user, Kind: records.Resume}
	for range changeAttempts {
		if record, body, err = s.stored(ctx, org, user); err != nil {
			return record, body, err
		}
		before := slices.Clone(body.Files)
		leftover := s.delete(ctx, org, user, body.Gone)
		if err = apply(&body); err != nil {
			return record, body, err
		}
		body.Gone = leftover
		for _, f := range before {
			if body.find(f.ID) == nil {
				body.Gone = append(body.Gone, f.ID)
			}
		}
		if record.Body, err = json.Marshal(body); err != nil {
			return record, body, err
		}
		record.UpdatedAt = s.Now().Truncate(time.Millisecond)
		first := record.ID == 0
		if first {
			record.CreatedAt = record.UpdatedAt
			record, err = s.Store.CreateRecord(ctx, of, record, rand.Text(), 1)
		} else {
			record, err = s.Store.UpdateRecord(ctx, of, record, rand.Text())
		}
		if err == nil {
			s.delete(ctx, org, user, body.Gone)
			return record, body, nil
		}
		if tooLarge(err) {
			return record, body, Faults{"": {textTooLarge}}
		}
		another := first && auth.CodeOf(err) == auth.Conflict // there is one at most
		if auth.CodeOf(err) != auth.PreconditionFailed && !another {
			return record, body, err
		}
	}
	return record, body, &auth.Error{Code: auth.Busy, Detail: "the résumé is being changed by others", RetryAfter: time.Second, Err: err}
}

// delete deletes files and returns the ids of those that may still be there.
func (s *Service) delete(ctx context.Context, org, user string, ids []string) (leftover []string) {
	for _, id := range ids {
		if s.Files == nil || s.Files.Delete(ctx, records.Folder{User: user, Org: org}, id) != nil {
			leftover = append(leftover, id)
		}
	}
	return leftover
}

func (s *Service) recordResume(ctx context.Context, caller *auth.Caller, org, user string, err error) {
	e := auth.Outcome("career.resume", caller.Ref(), err)
	if _, refused := errors.AsType[Faults](err); refused || errors.Is(err, ErrTooLarge) {
		e.Outcome, e.Reason = audit.Denied, string(auth.InvalidRequest)
	}
	s.Audit.Record(ctx, auth.About(e, org, "user", user))
}

// addresses are the tickets of files: user, organisation, id, and when they end.
func (s *Service) addresses() ticket.Codec {
	return ticket.Codec{Prefix: "cs_fl_", Parts: 3, Payload: 8, Keys: s.Keys}
}

// FileURL is an address, good for five minutes and for whoever has it, at which a file of the résumé is found.
func (s *Service) FileURL(r *Resume, id string) string {
	until := binary.BigEndian.AppendUint64(nil, uint64(s.Now().Add(addressLifetime).Unix())) //nolint:gosec // after 1970
	return s.Issuer + "/dm/api/career/resume/files/" + s.addresses().Format(until, r.Person.ID, r.Org, id)
}

// OpenURL opens what FileURL leads to, by the last segment of its path: NotFound for everything else.
func (s *Service) OpenURL(ctx context.Context, segment string) (ResumeFile, *records.File, error) {
	payload, parts, ok := s.addresses().Parse(segment)
	if !ok || s.Now().Unix() >= int64(binary.BigEndian.Uint64(payload)) { //nolint:gosec // written by FileURL
		return ResumeFile{}, nil, noFile()
	}
	user, org := parts[0], parts[1]
	owner, _, err := s.Users.Store.User(ctx, user)
	if err != nil && auth.CodeOf(err) != auth.NotFound {
		return ResumeFile{}, nil, err
	}
	if err != nil || owner.Deleting || !owner.MemberOf(org) {
		return ResumeFile{}, nil, noFile()
	}
	return s.open(ctx, org, user, parts[2])
}

// OpenFile opens a file for who may read it.
func (s *Service) OpenFile(ctx context.Context, caller *auth.Caller, org, user, id string) (ResumeFile, *records.File, error) {
	owner, err := s.Subject(ctx, caller, org, user, false)
	if err != nil {
		return ResumeFile{}, nil, err
	}
	return s.open(ctx, org, owner.ID, id)
}

func (s *Service) open(ctx context.Context, org, user, id string) (ResumeFile, *records.File, error) {
	_, body, err := s.stored(ctx, org, user)
	if err != nil {
		return ResumeFile{}, nil, err
	}
	kept := body.find(id)
	if kept == nil {
		return ResumeFile{}, nil, noFile()
	}
	if s.Files == nil {
		return ResumeFile{}, nil, noPlace()
	}
	file, err := s.Files.Open(ctx, records.Folder{User: user, Org: org}, id)
	return *kept, file, err
}

func noFile() error { return &auth.Error{Code: auth.NotFound, Detail: "there is no such file"} }

func noPlace() error {
	return &auth.Error{Code: auth.Unavailable, Detail: "this server has no place for files: its operator has to set --files"}
}

// sortFiles puts the résumé itself first, and the others in the order they were added.
func sortFiles(files []ResumeFile) {
	slices.SortStableFunc(files, func(a, b ResumeFile) int {
		rank := func(f ResumeFile) int {
			if f.Type == typeResume {
				return 0
			}
			return 1
		}
		return cmp.Or(rank(a)-rank(b), a.AddedAt.Compare(b.AddedAt))
	})
}
