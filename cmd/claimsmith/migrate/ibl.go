package migrate

import "io"

// ibl reads what GET platform-metadata answers about one user after the other, to which an address and a name may be added. Users
// write that object as well as administrators, and it does not say who did.
type ibl struct {
	options  Options
	platform string
}

func newIBL(in io.Reader, o Options) (Reader, error) {
	i := &ibl{options: o, platform: o.From}
	records, err := openRecords(in)
	if err != nil {
		return nil, err
	}
	return &reader{source: records, convert: func(raw []byte, number int) Record { return convert(raw, number, i.convert) }}, nil
}

func (i *ibl) convert(r *reading, o *object) {
	switch platform := o.text("platform_key"); {
	case platform == "":
		r.refuse("platform_key: is missing")
	case i.options.From != "" && platform != i.options.From:
		r.passed = "platform " + platform
	case i.platform != "" && platform != i.platform:
		r.refuse("platform_key: is another than before; --from says which is meant")
	default:
		i.platform = platform
	}
	r.Email, r.EmailVerified, r.Profile.Name = o.text("email"), o.flag("email_verified"), o.text("name")
	name := o.text("username")
	if name == "" {
		r.refuse("username: is missing")
	}
	r.keepUsername("username", name)
	entries := o.object("metadata")
	for _, key := range entries.names {
		r.put(key, entries.values[key], usersMark(&i.options, key))
	}
	o.ignore("created_at", "updated_at")
}
