package migrate

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
)

// keycloak reads the export of a realm, or of its users.
type keycloak struct{ options Options }

// besideUsers are what a realm has, other than its settings.
var besideUsers = []string{"clients", "groups", "identityProviders", "federatedUsers", "organizations"}

var errNoRealm = errors.New("not the export of one realm")

func newKeycloak(in io.Reader, o Options) Reader {
	k := &keycloak{o}
	beside := map[string]int{}
	users := func(dec *jsontext.Decoder, give func(jsontext.Value) bool) error {
		if dec.PeekKind() != '{' {
			return errNoRealm
		}
		return members(dec, func(name string) error {
			if name == "users" && dec.PeekKind() == '[' {
				return elements(dec, func() error { return giveValue(dec, give) })
			}
			if !slices.Contains(besideUsers, name) {
				return nil
			}
			n, err := countElements(dec)
			if n > 0 {
				beside[name] += n
			}
			return err
		})
	}
	return &reader{source: newDocumentSource(in, users), beside: beside, convert: func(raw []byte, number int) Record {
		record := convert(raw, number, k.convert)
		record.Raw = slices.Concat([]byte(`{"users":[`), raw, []byte(`]}`))
		return record
	}}
}

func (k *keycloak) convert(r *reading, o *object) {
	if o.text("serviceAccountClientId") != "" {
		r.passed = "service accounts"
	}
	r.keepID("id", o.text("id"))
	r.Email, r.EmailVerified = o.text("email"), o.flag("emailVerified")
	name := o.text("username")
	if name == "" {
		r.refuse("username: is missing")
	}
	r.keepUsername("username", name)
	r.Disabled = o.values["enabled"] != nil && !o.flag("enabled")
	r.Profile.GivenName, r.Profile.FamilyName = o.text("firstName"), o.text("lastName")
	k.attributes(r, o.object("attributes"))
	for _, raw := range o.list("credentials") {
		if credential := r.parse("credentials", raw); credential != nil {
			k.credential(r, credential)
		}
	}
	k.belongings(r, o)
	o.ignore("createdTimestamp", "notBefore", "totp", "disableableCredentialTypes", "access", "origin", "self", "userProfileMetadata")
}

// belongings are the groups, and what has no equal.
func (k *keycloak) belongings(r *reading, o *object) {
	for _, path := range o.texts("groups") {
		if slug := strings.TrimPrefix(path, "/"); auth.ValidSlug(slug) {
			r.Groups = append(r.Groups, slug)
		} else {
			r.leave("group " + path)
		}
	}
	for _, role := range o.texts("realmRoles") {
		if role != "offline_access" && role != "uma_authorization" && !strings.HasPrefix(role, "default-roles-") {
			r.leave("realm role " + role)
		}
	}
	roles := o.object("clientRoles")
	for _, client := range roles.names {
		for _, role := range roles.texts(client) {
			if client != "account" {
				r.leave("role " + role + " of client " + client)
			}
		}
	}
	for _, action := range o.texts("requiredActions") {
		if action == "UPDATE_PASSWORD" && (r.Password != "" || r.PasswordHash != "") {
			r.Temporary = true
		} else {
			r.leave("required action " + action)
		}
	}
	for _, raw := range o.list("federatedIdentities") {
		if identity := r.parse("federatedIdentities", raw); identity != nil {
			r.leave("identity of " + identity.text("identityProvider"))
		}
	}
}

// profileAttributes are what Keycloak's own mappers make standard claims of.
func (r *reading) profileAttributes() map[string]*string {
	p := &r.Profile
	return map[string]*string{
		"middleName": &p.MiddleName, "nickname": &p.Nickname, "profile": &p.ProfileURL, "website": &p.Website, "gender": &p.Gender,
		"birthdate": &p.Birthdate, "zoneinfo": &p.Zoneinfo, "locale": &p.Locale, "street": &p.Address.StreetAddress,
		"locality": &p.Address.Locality, "region": &p.Address.Region, "postal_code": &p.Address.PostalCode,
		"country": &p.Address.Country, "formatted": &p.Address.Formatted,
	}
}

// attributes takes what a realm may let its users write; which attributes it does is not in the export.
func (k *keycloak) attributes(r *reading, o *object) {
	known := r.profileAttributes()
	phone, verified := "", false
	for _, name := range o.names {
		all := o.texts(name)
		if len(all) == 1 {
			place := known[name]
			switch {
			case place != nil:
				*place = all[0]
				continue
			case name == "picture":
				r.keepPicture("attributes.picture", all[0])
				continue
			case name == "phoneNumber":
				phone = all[0]
				continue
			case name == "phoneNumberVerified":
				verified = strings.EqualFold(all[0], "true")
				continue
			}
		}
		if value := o.values[name]; len(all) == 1 {
			text := strings.TrimSuffix(strings.TrimPrefix(string(value), "["), "]")
			r.put(name, jsontext.Value(text), usersMark(&k.options, name))
		} else if len(all) > 1 {
			r.put(name, value, usersMark(&k.options, name))
		}
	}
	r.keepPhone("attributes.phoneNumber", phone, verified)
}

// credential takes a password. Its hash is in the form that older and newer releases have in common since 8.
func (k *keycloak) credential(r *reading, o *object) {
	kind := o.text("type")
	if kind != "password" {
		r.leave("credential " + kind)
		return
	}
	if plain := o.text("value"); plain != "" {
		r.Password, r.Temporary = plain, o.flag("temporary")
		return
	}
	secret := r.parse("secretData", []byte(o.text("secretData")))
	data := r.parse("credentialData", []byte(o.text("credentialData")))
	if secret == nil || data == nil {
		return
	}
	salt, value := secret.text("salt"), secret.text("value")
	algorithm, iterations := data.text("algorithm"), data.number("hashIterations")
	parameters := data.object("additionalParameters")
	var err error
	switch {
	case pbkdf2[algorithm] > 0:
		r.PasswordHash, err = pbkdf2Hash(algorithm, iterations, salt, value)
	case algorithm == "argon2":
		if version := parameters.first("version"); version != "1.3" {
			r.refuse("credentials: argon2 of version %s; only 1.3 can be taken over", version)
		}
		r.PasswordHash, err = argon2Hash(parameters.first("type"), parameters.firstNumber("memory"), iterations,
			parameters.firstNumber("parallelism"), salt, value)
	default:
		r.refuse("credentials: a hash by %s cannot be taken over", algorithm)
	}
	if err != nil {
		r.refuse("credentials: %w", err)
	}
}

// first is the only text of a list.
func (o *object) first(name string) string {
	all := o.texts(name)
	if len(all) != 1 {
		o.reading.refuse("%s: must have one value", o.name(name))
		return ""
	}
	return all[0]
}

func (o *object) firstNumber(name string) int64 { return o.whole(name, o.first(name)) }
