package migrate

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// supabase reads rows of auth.users: in CSV as COPY and the dashboard write it, or in JSON, a row a line or all of them in an array.
type supabase struct{ options Options }

func newSupabase(in io.Reader, o Options) (Reader, error) {
	s := &supabase{o}
	r := bufio.NewReader(in)
	first, err := firstByte(r)
	if err != nil {
		return nil, err
	}
	record := func(raw []byte, number int) Record { return convert(raw, number, s.convert) }
	if first != '{' && first != '[' {
		return newTable(r, record)
	}
	records, err := openRecords(r)
	if err != nil {
		return nil, err
	}
	return &reader{source: records, convert: record}, nil
}

// table is CSV whose rows are read as objects of texts.
type table struct {
	rows    *csv.Reader
	header  []string
	convert func(raw []byte, number int) Record
}

func newTable(in io.Reader, convert func([]byte, int) Record) (*table, error) {
	t := &table{rows: csv.NewReader(in), convert: convert}
	t.rows.FieldsPerRecord = -1
	var err error
	if t.header, err = t.rows.Read(); err != nil {
		return nil, fmt.Errorf("the first line names the columns of auth.users: %w", err)
	}
	for n, name := range t.header {
		if slices.Contains(t.header[:n], name) {
			return nil, fmt.Errorf("the column %q is there twice", name)
		}
	}
	if !slices.Contains(t.header, "id") {
		return nil, errors.New("the first line names the columns of auth.users; there is no id")
	}
	return t, nil
}

func (t *table) Offset() int64          { return t.rows.InputOffset() }
func (t *table) Head() []byte           { return csvRow(t.header) }
func (t *table) Beside() map[string]int { return nil }
func (t *table) Close()                 {}

func (t *table) Next() (Record, error) {
	var cells []string
	for strings.Join(cells, "") == "" {
		var err error
		if cells, err = t.rows.Read(); err != nil {
			return Record{}, err
		}
	}
	number, _ := t.rows.FieldPos(0)
	raw := csvRow(cells)
	if len(cells) != len(t.header) {
		return Record{Number: number, Raw: raw, Refused: fmt.Errorf("%d columns, the first line has %d", len(cells), len(t.header))}, nil
	}
	text := []byte{'{'}
	for n, cell := range cells {
		if cell == "" { // NULL
			continue
		}
		name, errName := jsontext.AppendQuote(nil, t.header[n])
		value, errValue := jsontext.AppendQuote(nil, cell)
		if errName != nil || errValue != nil {
			refused := fmt.Errorf("%s: not valid UTF-8", t.header[n])
			return Record{Number: number, Raw: raw, Refused: refused}, nil //nolint:nilerr // a record that is refused does not end the reading
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = slices.Concat(text, name, []byte{':'}, value)
	}
	record := t.convert(append(text, '}'), number)
	record.Raw = raw
	return record, nil
}

func csvRow(cells []string) []byte {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	_ = w.Write(cells) // a buffer takes everything
	w.Flush()
	return text.Bytes()
}

func (s *supabase) convert(r *reading, o *object) {
	r.keepID("id", o.text("id"))
	r.Email, r.EmailVerified = o.text("email"), o.text("email_confirmed_at") != ""
	r.PasswordHash = o.text("encrypted_password")
	if until := o.instant("banned_until"); until.After(s.options.Now) {
		r.Disabled = true
	}
	if o.text("deleted_at") != "" {
		r.passed = "deleted users"
	}
	if o.yes("is_super_admin") {
		r.leave("is_super_admin")
	}
	if role := o.text("role"); role != "" && role != "authenticated" {
		r.leave("role " + role)
	}
	if phone := o.text("phone"); phone != "" {
		r.keepPhone("phone", "+"+strings.TrimPrefix(phone, "+"), o.text("phone_confirmed_at") != "")
	}
	for _, name := range []string{"is_sso_user", "is_anonymous"} {
		if o.yes(name) {
			r.leave(name)
		}
	}
	users, operators := o.document("raw_user_meta_data"), o.document("raw_app_meta_data")
	r.Profile.Name = users.firstOf("full_name", "name")
	r.keepPicture("raw_user_meta_data.avatar_url", users.firstOf("avatar_url", "picture"))
	r.identities(operators)
	// What Supabase itself writes there: how somebody signed up, and once more what has a column.
	operators.ignore("provider", "providers")
	users.ignore("iss", "sub", "provider_id", "email", "email_verified", "phone", "phone_verified")
	r.merge(&s.options, operators, users)
	o.ignore("instance_id", "aud", "invited_at", "confirmation_token", "confirmation_sent_at", "confirmed_at", "recovery_token",
		"recovery_sent_at", "email_change_token_new", "email_change", "email_change_sent_at", "last_sign_in_at", "created_at", "updated_at",
		"phone_change", "phone_change_token", "phone_change_sent_at", "email_change_token_current", "email_change_confirm_status",
		"reauthentication_token", "reauthentication_sent_at")
}

// identities leaves out the accounts elsewhere that somebody signs in with.
func (r *reading) identities(o *object) {
	providers := []string{o.text("provider")}
	if o.values["providers"] != nil {
		providers = append(providers, o.texts("providers")...)
	}
	for _, provider := range providers {
		if provider != "" && provider != "email" && provider != "phone" {
			r.leave("identity of " + provider)
		}
	}
}

// firstOf takes the first of these texts that is there, and those of them that say the same.
func (o *object) firstOf(names ...string) (first string) {
	for _, name := range names {
		if text, ok := textOf(o.values[name]); ok && (first == "" || text == first) {
			first, o.taken[name] = text, true
		}
	}
	return first
}

// document takes an object, which may stand in a text.
func (o *object) document(name string) *object {
	if text, ok := textOf(o.values[name]); ok {
		if text == "" {
			text = "{}"
		}
		o.values[name] = jsontext.Value(text)
	}
	return o.object(name)
}

// yes takes a truth value as PostgreSQL and JSON write it.
func (o *object) yes(name string) bool {
	if _, ok := textOf(o.values[name]); !ok {
		return o.flag(name)
	}
	switch o.text(name) {
	case "t", "true":
		return true
	case "f", "false", "":
	default:
		o.reading.refuse("%s: must be true or false", o.name(name))
	}
	return false
}

// instants are the forms PostgreSQL and JSON have for a time.
var instants = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999Z07:00"}

// instant takes a time. What never ends is far away.
func (o *object) instant(name string) time.Time {
	text := o.text(name)
	if text == "" {
		return time.Time{}
	}
	if text == "infinity" {
		return time.Unix(1<<40, 0)
	}
	for _, form := range instants {
		if t, err := time.Parse(form, text); err == nil {
			return t
		}
	}
	o.reading.refuse("%s: %q is no time", o.name(name), text)
	return time.Time{}
}
