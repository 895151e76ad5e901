package migrate

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/metadata"
)

// zitadel reads the export of an instance: what the admin service's export answers, or its import takes. The metadata of an
// organisation is in a list of its own, so the file is read twice: first for where each user's entries are.
type zitadel struct {
	options Options
	file    zitadelFile
	orgs    []zitadelOrg
	org     int // which one the walk is in
	entries map[string][]span
	beside  map[string]int
}

type zitadelFile interface {
	io.ReadSeeker
	io.ReaderAt
}

type zitadelOrg struct {
	id     string
	humans int
}

// span is a place in the file.
type span struct {
	offset int64
	length int
}

var errNoFile = errors.New("an export of Zitadel is read twice: name the file")

func newZitadel(in io.Reader, o Options) (Reader, error) {
	file, ok := in.(zitadelFile)
	if !ok {
		return nil, errNoFile
	}
	z := &zitadel{options: o, file: file, entries: map[string][]span{}, beside: map[string]int{}}
	if err := z.index(); err != nil {
		return nil, err
	}
	if o.From == "" {
		inhabited := slices.DeleteFunc(slices.Clone(z.orgs), func(o zitadelOrg) bool { return o.humans == 0 })
		if len(inhabited) > 1 && slices.ContainsFunc(inhabited, func(o zitadelOrg) bool { return o.id != inhabited[0].id }) {
			return nil, fmt.Errorf("users of %d organisations; --from says which is meant, as in --from %s", len(inhabited), inhabited[0].id)
		}
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	z.org = -1
	users := newDocumentSource(file, func(dec *jsontext.Decoder, give func(jsontext.Value) bool) error {
		return z.walk(dec, func() { z.org++ }, func(name string) error {
			if name != "humanUsers" || dec.PeekKind() != '[' {
				return nil
			}
			return elements(dec, func() error { return giveValue(dec, give) })
		})
	})
	return &zitadelReader{reader{source: users, beside: z.beside, convert: z.record}, z}, nil
}

// zitadelReader also counts the entries that were nobody's.
type zitadelReader struct {
	reader
	z *zitadel
}

func (r *zitadelReader) Beside() map[string]int {
	all := maps.Clone(r.beside)
	for _, places := range r.z.entries {
		all["userMetadata of others"] += len(places)
	}
	return all
}

// walk goes through the organisations of an export. begin is called at each, member at each of its members.
func (z *zitadel) walk(dec *jsontext.Decoder, begin func(), member func(name string) error) error {
	orgs := func(name string) error {
		if camel(name) != "orgs" || dec.PeekKind() != '[' {
			return nil
		}
		return elements(dec, func() error {
			if dec.PeekKind() != '{' {
				return dec.SkipValue()
			}
			begin()
			return members(dec, func(name string) error { return member(camel(name)) })
		})
	}
	if dec.PeekKind() != '{' {
		return dec.SkipValue()
	}
	return members(dec, func(name string) error {
		if (camel(name) == "dataOrgs" || camel(name) == "dataOrgsv1") && dec.PeekKind() == '{' {
			return members(dec, orgs)
		}
		return orgs(name)
	})
}

// index finds the organisations and where the entries of each user are.
func (z *zitadel) index() error {
	dec := tolerant(z.file)
	for {
		if dec.PeekKind() == jsontext.KindInvalid {
			if _, err := dec.ReadToken(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return fmt.Errorf("no JSON: %w", err)
			}
		}
		err := z.walk(dec, func() { z.orgs = append(z.orgs, zitadelOrg{}) }, func(name string) (err error) {
			org := &z.orgs[len(z.orgs)-1]
			switch kind := dec.PeekKind(); {
			case name == "orgId" && kind == '"':
				var id jsontext.Token
				id, err = dec.ReadToken()
				org.id = id.String()
			case name == "humanUsers":
				org.humans, err = countElements(dec)
			case name == "userMetadata" && kind == '[':
				err = elements(dec, func() error { return z.note(dec) })
			default:
				var n int
				if n, err = countElements(dec); n > 0 {
					z.beside[name] += n
				}
			}
			return err
		})
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("no JSON: %w", err)
		}
	}
}

// note keeps the place of an entry.
func (z *zitadel) note(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	place := span{dec.InputOffset() - int64(len(raw)), len(raw)}
	var entry struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &entry); err != nil || entry.ID == "" {
		z.beside["userMetadata without id"]++
		return nil //nolint:nilerr // it is counted
	}
	z.entries[entry.ID] = append(z.entries[entry.ID], place)
	return nil
}

// record reads a user with his entries.
func (z *zitadel) record(raw []byte, number int) Record {
	org := ""
	if z.org >= 0 && z.org < len(z.orgs) {
		org = z.orgs[z.org].id
	}
	var all []jsontext.Value
	record := convert(raw, number, func(r *reading, o *object) {
		o.camel()
		if z.options.From != "" && org != z.options.From {
			r.passed = "users of the organisation " + org
		}
		id := o.text("userId")
		r.keepID("userId", id)
		z.user(r, o.object("user"))
		all = z.metadata(r, id)
	})
	name, _ := jsontext.AppendQuote(nil, org)
	record.Raw = slices.Concat([]byte(`{"orgs":[{"orgId":`), name, []byte(`,"humanUsers":[`), raw, []byte(`],"userMetadata":[`),
		bytes.Join(asBytes(all), []byte{','}), []byte(`]}]}`))
	return record
}

func asBytes(values []jsontext.Value) [][]byte {
	all := make([][]byte, len(values))
	for n, v := range values {
		all[n] = v
	}
	return all
}

func (z *zitadel) user(r *reading, o *object) {
	o.camel()
	email, phone, profile, hash := o.object("email"), o.object("phone"), o.object("profile"), o.object("hashedPassword")
	for _, inner := range []*object{email, phone, profile, hash} {
		inner.camel()
		defer inner.rest()
	}
	r.Email, r.EmailVerified = email.text("email"), email.flag("isEmailVerified")
	r.keepUsername("user.userName", o.text("userName"))
	r.keepPhone("user.phone", phone.text("phone"), phone.flag("isPhoneVerified"))
	p := &r.Profile
	p.GivenName, p.FamilyName, p.Name = profile.text("firstName"), profile.text("lastName"), profile.text("displayName")
	p.Nickname, p.Locale = profile.text("nickName"), profile.text("preferredLanguage")
	if gender, ok := strings.CutPrefix(profile.text("gender"), "GENDER_"); ok && gender != "UNSPECIFIED" {
		p.Gender = strings.ToLower(gender)
	}
	r.Password, r.PasswordHash = o.text("password"), hash.text("value")
	hash.ignore("algorithm")
	r.Temporary = o.flag("passwordChangeRequired") && (r.Password != "" || r.PasswordHash != "")
	if o.text("otpCode") != "" {
		r.leave("second factor")
	}
	if len(o.list("idps")) > 0 {
		r.leave("identities elsewhere")
	}
	o.ignore("requestPasswordlessRegistration")
	o.rest()
}

// metadata reads the entries of a user, and returns them as they stand in the file. In Zitadel only who manages users writes them.
func (z *zitadel) metadata(r *reading, user string) (all []jsontext.Value) {
	defer delete(z.entries, user)
	for _, place := range z.entries[user] {
		if place.length > MaxRecord {
			r.refuse("%w", ErrLong)
			continue
		}
		raw := make([]byte, place.length)
		if _, err := z.file.ReadAt(raw, place.offset); err != nil {
			r.refuse("userMetadata: %w", err)
			continue
		}
		all = append(all, raw)
		o := r.parse("userMetadata", raw)
		if o == nil {
			continue
		}
		key, text := o.text("key"), o.text("value")
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			r.refuse("userMetadata: the value of %s is no base64", key)
			continue
		}
		entry := Entry{Key: key, ProfileClaim: mark(&z.options, key)}
		if kept, _ := metadata.FromOpaque(value); kept.Kind() == metadata.KindBytes {
			entry.ValueBase64 = &text
		} else {
			entry.Value = jsontext.Value(kept.Raw())
		}
		r.Metadata = append(r.Metadata, entry)
	}
	return all
}

// camel gives the members the names of JSON, where they have those of the protocol.
func (o *object) camel() {
	for n, name := range o.names {
		if other := camel(name); other != name && o.values[other] == nil {
			o.names[n], o.values[other] = other, o.values[name]
		}
	}
}

func camel(name string) string {
	parts := strings.Split(name, "_")
	for n, part := range parts[1:] {
		if part != "" {
			parts[n+1] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}
