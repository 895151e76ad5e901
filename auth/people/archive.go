package people

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/metadata"
)

// Archive writes everything held about a user as a ZIP of JSON files: the record, how he logs in, his sessions and consents, and, for every
// organisation the caller may see him in, his metadata with its history, his groups, his career, what assistants remember of him, and the
// audit events about him; and his picture and the files of his résumés beside them. Secrets are not in it. The caller is the user himself,
// who is told nothing he may not read, or may manage him. It fails with Throttled where the user asks too often and with Busy where others
// are being written. Where it fails, w has no complete archive.
func (s *Service) Archive(ctx context.Context, caller *auth.Caller, org, name string, w io.Writer) error {
	user, self, err := s.subject(ctx, caller, org, name)
	if err == nil {
		err = s.bound(ctx, &user, self)
	}
	done := func() {}
	if err == nil {
		done, err = s.Trail.Walk()
	}
	s.Audit.Record(ctx, auth.About(auth.Outcome("user.archive", caller.Ref(), err), caller.OrgOf(org), "user", user.ID))
	if err != nil {
		return err
	}
	defer done()
	a := &archive{Service: s, caller: caller, user: &user, self: self, zip: zip.NewWriter(w)}
	if err := a.write(ctx); err != nil {
		return err
	}
	return a.zip.Close()
}

// subject finds whom an archive is about.
func (s *Service) subject(ctx context.Context, caller *auth.Caller, org, name string) (user auth.User, self bool, err error) {
	if _, self = caller.Self(caller.OrgOf(org)); self {
		user, err = s.Users.Find(ctx, caller, org, name)
	} else {
		user, err = s.Users.Managed(ctx, caller, org, name)
	}
	return user, self, err
}

// maxArchives is how many archives a user gets of himself: writing one reads a good part of the audit log.
var maxArchives = auth.Bucket{Kind: "archive", Burst: 3, Period: 20 * time.Minute}

// bound bounds how often a user asks about himself.
func (s *Service) bound(ctx context.Context, user *auth.User, self bool) error {
	if !self {
		return nil
	}
	bucket := maxArchives
	bucket.Subject = "user:" + user.ID
	return auth.Attempt(ctx, s.Limiter, bucket)
}

// archive is one being written.
type archive struct {
	*Service
	caller *auth.Caller
	user   *auth.User
	self   bool
	zip    *zip.Writer
}

func (a *archive) write(ctx context.Context) (err error) {
	sees := a.orgs()
	record := userFile{
		ID: a.user.ID, Username: a.user.Username, Email: a.user.Email, EmailVerified: a.user.EmailVerified,
		EmailsBefore: a.user.EmailsBefore, Organisations: sees,
		Disabled: a.user.Disabled, PasswordTemporary: a.user.MustChangePassword, Role: a.user.Role, Profile: auth.StandardProfile(a.user),
		Biography: a.user.Biography, CreatedAt: a.user.CreatedAt, UpdatedAt: a.user.UpdatedAt,
	}
	if record.Number, err = a.Users.Number(ctx, a.user.ID); err != nil {
		return err
	}
	if asked := a.user.Asked(a.Now()); asked != nil {
		record.PendingEmail = &pendingFile{asked.Address, asked.Until}
	}
	if err := a.file("user.json", record); err != nil {
		return err
	}
	if err := errors.Join(a.picture(ctx), a.sessions(ctx), a.factors(ctx), a.consents(ctx)); err != nil {
		return err
	}
	for _, org := range sees {
		if err := a.organisation(ctx, org); err != nil {
			return err
		}
	}
	return nil
}

// orgs are those the caller may see the user in.
func (a *archive) orgs() (seen []string) {
	for _, org := range a.user.Orgs {
		if a.sees(org) {
			seen = append(seen, org)
		}
	}
	return seen
}

func (a *archive) sees(org string) bool {
	_, self := a.caller.Self(org)
	return self || a.caller.MayRead(org)
}

// userFile is user.json.
type userFile struct {
	ID                string         `json:"id"`
	Number            uint64         `json:"number"`
	Username          string         `json:"username,omitempty"`
	Email             string         `json:"email,omitempty"`
	EmailVerified     bool           `json:"email_verified"`
	PendingEmail      *pendingFile   `json:"pending_email,omitempty"`
	EmailsBefore      []string       `json:"emails_before,omitempty"`
	Organisations     []string       `json:"organisations"`
	Disabled          bool           `json:"disabled"`
	PasswordTemporary bool           `json:"password_temporary"`
	Role              auth.Role      `json:"role,omitempty"`
	Profile           any            `json:"profile"`
	Biography         auth.Biography `json:"biography"`
	CreatedAt         time.Time      `json:"created_at"`
	UpdatedAt         time.Time      `json:"updated_at"`
}

// pendingFile is an address he has asked for and not confirmed.
type pendingFile struct {
	Address string    `json:"address"`
	Until   time.Time `json:"until"`
}

type sessionFile struct {
	ID        string      `json:"id"`
	CreatedAt time.Time   `json:"created_at"`
	AuthTime  time.Time   `json:"auth_time"`
	AMR       []string    `json:"amr"`
	SeenAt    time.Time   `json:"seen_at"`
	ExpiresAt time.Time   `json:"expires_at"`
	Agent     string      `json:"agent,omitempty"`
	Address   string      `json:"address,omitempty"`
	Logins    []loginFile `json:"logins"`
}

type loginFile struct {
	Organisation string `json:"organisation"`
	Client       string `json:"client_id"`
	Offline      bool   `json:"offline"`
}

func (a *archive) sessions(ctx context.Context) error {
	all, err := a.Sessions.Store.Sessions(ctx, a.user.ID)
	if err != nil {
		return err
	}
	files := make([]sessionFile, len(all))
	for n, s := range all {
		logins, err := a.Sessions.Store.Logins(ctx, a.user.ID, s.ID)
		if err != nil {
			return err
		}
		files[n] = sessionFile{
			ID: s.ID, CreatedAt: s.CreatedAt, AuthTime: s.AuthTime, AMR: s.AMR, SeenAt: s.SeenAt, ExpiresAt: s.ExpiresAt,
			Agent: s.Agent, Address: s.Address, Logins: []loginFile{},
		}
		for _, l := range logins {
			if a.sees(l.Org) {
				files[n].Logins = append(files[n].Logins, loginFile{l.Org, l.Client, l.Offline})
			}
		}
	}
	return a.file("sessions.json", files)
}

type factorFile struct {
	Kind      string    `json:"kind"`
	Name      string    `json:"name,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UsedAt    time.Time `json:"used_at,omitzero"`
	Left      int       `json:"left,omitempty"`
}

// factors are kinds and dates, never what proves anything.
func (a *archive) factors(ctx context.Context) error {
	f, err := a.Factors.Of(ctx, a.user.ID)
	if err != nil {
		return err
	}
	files := []factorFile{}
	if f.TOTP != nil {
		files = append(files, factorFile{Kind: "totp", CreatedAt: f.TOTP.CreatedAt})
	}
	for _, p := range f.Passkeys {
		files = append(files, factorFile{Kind: "passkey", Name: p.Name, CreatedAt: p.CreatedAt, UsedAt: p.UsedAt})
	}
	if n := len(f.RecoveryCodes); n > 0 {
		files = append(files, factorFile{Kind: "recovery_codes", Left: n})
	}
	return a.file("factors.json", files)
}

type consentFile struct {
	Organisation string    `json:"organisation"`
	Client       string    `json:"client_id"`
	Scopes       []string  `json:"scopes"`
	RedirectURIs []string  `json:"redirect_uris"`
	GrantedAt    time.Time `json:"granted_at"`
}

func (a *archive) consents(ctx context.Context) error {
	all, err := a.Consents.Consents(ctx, a.user.ID)
	if err != nil {
		return err
	}
	files := []consentFile{}
	for _, c := range all {
		if a.sees(c.Org) {
			files = append(files, consentFile{c.Org, c.Client, c.Scopes, c.RedirectURIs, c.GrantedAt})
		}
	}
	return a.file("consents.json", files)
}

// organisation writes what an organisation has of the user, in files below its name.
func (a *archive) organisation(ctx context.Context, org string) error {
	target := metadata.Target{Org: org, User: a.user.ID}
	groups, _, err := a.Metadata.GroupsOf(ctx, a.caller, target)
	if err != nil {
		return err
	}
	names := make([]groupFile, len(groups))
	for n, g := range groups {
		names[n] = groupFile{g.Slug, g.Name}
	}
	if err := a.file(org+"/groups.json", names); err != nil {
		return err
	}
	owners, err := a.Metadata.Documents(ctx, a.caller, target)
	if err != nil {
		return err
	}
	for _, o := range owners {
		name := org + "/metadata"
		if o.App != "" {
			name = org + "/applications/" + o.App
		}
		target.App = o.App
		if err := errors.Join(a.document(ctx, name+".json", target), a.history(ctx, name+"-history.json", target)); err != nil {
			return err
		}
	}
	return errors.Join(a.career(ctx, org), a.resume(ctx, org), a.memory(ctx, org), a.events(ctx, org))
}

type groupFile struct {
	Slug string `json:"slug"`
	Name string `json:"name,omitempty"`
}

// file writes a file of one value.
func (a *archive) file(name string, value any) error {
	return a.stream(name, func(e *jsontext.Encoder) error { return json.MarshalEncode(e, value, json.Deterministic(true)) })
}

// list writes a file of an array, whose elements each calls its parameter with.
func (a *archive) list(name string, each func(add func(any) error) error) error {
	return a.stream(name, func(e *jsontext.Encoder) error {
		if err := e.WriteToken(jsontext.BeginArray); err != nil {
			return err
		}
		if err := each(func(value any) error { return json.MarshalEncode(e, value, json.Deterministic(true)) }); err != nil {
			return err
		}
		return e.WriteToken(jsontext.EndArray)
	})
}

func (a *archive) stream(name string, write func(*jsontext.Encoder) error) error {
	w, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: a.Now()})
	if err != nil {
		return err
	}
	return write(jsontext.NewEncoder(w, jsontext.WithIndent("  ")))
}

// events are those that are about the user or one of his sessions, or that he caused. To himself, others who acted are nobody.
func (a *archive) events(ctx context.Context, org string) error {
	subject, session := "user:"+a.user.ID, "session:"+a.user.ID+"/"
	return a.list(org+"/events.json", func(add func(any) error) error {
		return a.Trail.Each(ctx, auth.System(), org, auth.TrailFilter{From: a.user.CreatedAt}, func(e audit.Entry) error {
			if e.Target != subject && e.Actor != subject && !strings.HasPrefix(e.Target, session) {
				return nil
			}
			return add(a.event(&e))
		})
	})
}

type eventFile struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Action  string    `json:"action"`
	Actor   string    `json:"actor,omitempty"`
	Target  string    `json:"target,omitempty"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason,omitempty"`
	Address string    `json:"address,omitempty"`
	Dialect string    `json:"dialect,omitempty"`
}

func (a *archive) event(e *audit.Entry) eventFile {
	file := eventFile{e.Seq, e.Time, e.Action, e.Actor, e.Target, e.Outcome, e.Reason, e.Address, e.Dialect}
	if a.self && e.Actor != "user:"+a.user.ID {
		file.Actor, file.Address = "", ""
	}
	return file
}
