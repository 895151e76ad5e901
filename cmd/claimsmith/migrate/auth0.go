package migrate

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
)

// auth0 reads the lines of a job users-exports in the format json, each joined with its line of the export of password hashes, which
// names the user by _id.$oid, the part of user_id behind "auth0|". That file may also be read by itself.
type auth0 struct {
	options Options
	hashes  map[string]string
}

func newAuth0(in io.Reader, o Options) (Reader, error) {
	a := &auth0{options: o}
	if o.Passwords != nil {
		if err := a.readHashes(o.Passwords); err != nil {
			return nil, fmt.Errorf("password hashes: %w", err)
		}
	}
	records, err := openRecords(in)
	if err != nil {
		return nil, err
	}
	return &reader{source: records, convert: func(raw []byte, number int) Record { return convert(raw, number, a.convert) }}, nil
}

// passwordHash is a line of the file of hashes. The rest of it is also in the export of users.
type passwordHash struct {
	ID struct {
		OID string `json:"$oid"`
	} `json:"_id"`
	Hash string `json:"passwordHash"`
}

func (a *auth0) readHashes(in io.Reader) error {
	a.hashes = map[string]string{}
	records, err := openRecords(in)
	if err != nil {
		return err
	}
	defer records.close()
	for {
		raw, number, refused, err := records.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = refused
		}
		var p passwordHash
		if err == nil {
			err = json.Unmarshal(raw, &p)
		}
		if err == nil && p.ID.OID == "" {
			err = errors.New("_id.$oid is missing")
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		a.hashes[p.ID.OID] = p.Hash
	}
}

func objectID(o *object) string {
	id := o.object("_id")
	return id.text("$oid")
}

const auth0Database = "auth0|"

func (a *auth0) convert(r *reading, o *object) {
	id := o.text("user_id")
	oid := objectID(o)
	if id == "" && oid != "" {
		id = auth0Database + oid
	}
	r.keepID("user_id", strings.ReplaceAll(id, "|", "_"))
	r.Email, r.EmailVerified = o.text("email"), o.flag("email_verified")
	r.keepUsername("username", o.text("username"))
	r.PasswordHash = o.text("passwordHash")
	if name, ok := strings.CutPrefix(id, auth0Database); ok && r.PasswordHash == "" {
		r.PasswordHash = a.hashes[name]
	}
	r.Disabled = o.flag("blocked")
	r.auth0Profile(o)
	r.merge(&a.options, o.object("app_metadata"), o.object("user_metadata"))
	for _, raw := range o.list("identities") {
		identity := r.parse("identities", raw)
		if identity == nil {
			continue
		}
		if provider := identity.text("provider"); provider != "auth0" {
			r.leave("identity of " + provider)
		}
	}
	o.ignore("created_at", "updated_at", "last_login", "last_ip", "logins_count", "last_password_reset", "password_set_date", "tenant",
		"connection", "_tmp_is_unique", "multifactor_last_modified")
}

// auth0Profile takes the profile. The name that Auth0 makes of an address is none.
func (r *reading) auth0Profile(o *object) {
	p := &r.Profile
	p.Name, p.Nickname = o.text("name"), o.text("nickname")
	if strings.EqualFold(p.Name, r.Email) {
		p.Name = ""
	}
	p.GivenName, p.FamilyName, p.Locale = o.text("given_name"), o.text("family_name"), o.text("locale")
	r.keepPicture("picture", o.text("picture"))
	r.keepPhone("phone_number", o.text("phone_number"), o.flag("phone_verified"))
}
