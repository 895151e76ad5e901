package migrate

import (
	"bytes"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/metadata"
)

// sentinel reads users as Sentinel's registration takes them, with their id and their profiles as its bulk creation does.
type sentinel struct{ options Options }

func newSentinel(in io.Reader, o Options) (Reader, error) {
	s := &sentinel{o}
	records, err := openRecords(in)
	if err != nil {
		return nil, err
	}
	return &reader{source: records, convert: func(raw []byte, number int) Record { return convert(raw, number, s.convert) }}, nil
}

func (s *sentinel) convert(r *reading, o *object) {
	id := o.text("user_id")
	info := o
	if o.values["user_info"] != nil {
		info = o.object("user_info")
		defer info.rest()
	}
	r.keepID("user_id", id)
	r.Email, r.EmailVerified = info.text("email"), o.flag("email_verified")
	r.Profile.GivenName, r.Profile.FamilyName = info.text("first_name"), info.text("last_name")
	r.keepUsername("username", info.text("username"))
	r.PasswordHash, r.HashAlgorithm = o.text("password_hash"), o.text("hash_algorithm")
	if (r.PasswordHash == "") != (r.HashAlgorithm == "") {
		r.refuse("password_hash and hash_algorithm belong together")
	}
	for _, raw := range o.list("profiles") {
		if profile := r.parse("profiles", raw); profile != nil {
			s.profile(r, id, profile)
			profile.rest()
		}
	}
	o.ignore("created_at", "updated_at")
}

// profile makes a profile what the application keeps about the user. Users make profiles too, and a profile does not say who did.
func (s *sentinel) profile(r *reading, id string, o *object) {
	if about := o.text("user_id"); about != "" && about != id {
		r.refuse("profiles: one is about the user %s", about)
	}
	number := strconv.FormatInt(o.number("app_id"), 10)
	client, ok := s.options.Apps[number]
	if !ok {
		r.refuse("profiles: which client the application %s is, --app %s=CLIENT says", number, number)
	}
	o.taken["profile_data"] = true
	data, ok := o.values["profile_data"]
	if !ok {
		r.refuse("profiles: profile_data is missing")
		return
	}
	puts, err := metadata.Split(bytes.Clone(data))
	if err != nil {
		r.refuse("profiles: profile_data: %w", err)
	}
	app := App{ClientID: client, Metadata: []Entry{}}
	for _, put := range puts {
		entry := Entry{Key: put.Key, Value: jsontext.Value(put.Value.Raw()), ProfileClaim: usersMark(&s.options, put.Key)}
		app.Metadata = append(app.Metadata, entry)
	}
	r.Apps = append(r.Apps, app)
	o.ignore("id", "created_at", "updated_at")
}
