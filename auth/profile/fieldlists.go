package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
)

// maxItems bounds every list in an account.
const maxItems = 50

// items reads a list of objects, nil for null. Members of theirs that T has not are passed over.
func items[T any](name string, value jsontext.Value) ([]T, *Fault) {
	if value.Kind() == 'n' {
		return nil, nil
	}
	var elements []jsontext.Value
	if value.Kind() != '[' || json.Unmarshal(value, &elements) != nil {
		return nil, invalid(name, value, `Expected a list of items but got type "%s".`, kindOf(value))
	}
	if len(elements) > maxItems {
		return nil, invalid(name, value, "Ensure this field has no more than %d elements.", maxItems)
	}
	all := make([]T, len(elements))
	for n, element := range elements {
		if element.Kind() != '{' {
			return nil, invalid(name, value, "Invalid data. Expected a dictionary, but got %s.", kindOf(element))
		}
		if json.Unmarshal(element, &all[n]) != nil {
			return nil, invalid(name, value, "Not a valid string.")
		}
	}
	return all, nil
}

const tellRequired = "This field is required."

// languages reads the list of them, which replaces the one there is.
func languages(name string, value jsontext.Value) (edit, *Fault) {
	list, fault := items[struct {
		Code *string `json:"code"`
	}](name, value)
	if fault != nil {
		return nil, fault
	}
	var codes []string
	for _, l := range list {
		switch {
		case l.Code == nil:
			return nil, invalid(name, value, tellRequired)
		case !isLanguage(*l.Code):
			return nil, notAChoice(name, value, *l.Code)
		case slices.Contains(codes, *l.Code):
			return nil, invalid(name, value, "The language_proficiencies field must consist of unique languages.")
		}
		codes = append(codes, *l.Code)
	}
	return func(p *claims.Profile, b *auth.Biography) { setLanguages(p, b, slices.Clone(codes)) }, nil
}

// socialLinks reads a list of links, each of which replaces the person's of the same platform, or with an empty address removes it.
// null removes all.
func socialLinks(name string, value jsontext.Value) (edit, *Fault) {
	list, fault := items[struct {
		Platform *string `json:"platform"`
		Address  *string `json:"social_link"`
	}](name, value)
	if fault != nil {
		return nil, fault
	}
	var links []auth.Link
	for _, l := range list {
		if l.Platform == nil {
			return nil, invalid(name, value, tellRequired)
		}
		site := platformOf(*l.Platform)
		if site == nil {
			return nil, invalid(name, value, "The social platform must be facebook, twitter or linkedin")
		}
		if slices.ContainsFunc(links, func(before auth.Link) bool { return before.Platform == site.name }) {
			return nil, invalid(name, value, "The social_links field must consist of unique social platforms.")
		}
		link := auth.Link{Platform: site.name}
		if l.Address != nil && strings.TrimSpace(*l.Address) != "" {
			var ok bool
			if link.URL, ok = site.normalize(*l.Address); !ok {
				return nil, badLink(site)
			}
		}
		links = append(links, link)
	}
	all := value.Kind() == 'n'
	return func(p *claims.Profile, b *auth.Biography) {
		var merged []auth.Link
		if !all {
			merged = linksOf(p, b)
		}
		for _, l := range links {
			merged = withLink(merged, l)
		}
		setLinks(p, b, merged)
	}, nil
}

func badLink(site *platform) *Fault {
	text := fmt.Sprintf(`Make sure that you are providing a valid username or a URL that contains "%s". `+
		`To remove the link from your %s profile, leave this field blank.`, site.stub, site.name)
	return &Fault{fmt.Sprintf("Error when adding new social link: '%s'", text), text}
}

// Bounds of the name and the value of a field of a form, in characters.
const (
	maxFieldName  = 100
	maxFieldValue = 1000
)

// extendedProfile reads fields of a form, each of which replaces the person's of the same name, or without a value removes it.
// null removes all.
func extendedProfile(name string, value jsontext.Value) (edit, *Fault) {
	const tell = "Invalid extended profile format"
	if value.Kind() != '[' && value.Kind() != 'n' {
		return nil, &Fault{"extended_profile must be a list", tell}
	}
	list, fault := items[struct {
		Name  *string `json:"field_name"`
		Value *string `json:"field_value"`
	}](name, value)
	if fault != nil {
		return nil, fault.telling(tell)
	}
	var sent []auth.ExtendedField
	for _, f := range list {
		if f.Name == nil || *f.Name == "" {
			return nil, invalid(name, value, tellRequired).telling(tell)
		}
		named := auth.ExtendedField{Name: *f.Name}
		if f.Value != nil {
			named.Value = *f.Value
		}
		if !isText(named.Name, maxFieldName) || strings.ContainsAny(named.Name, "\r\n\t") || !isText(named.Value, maxFieldValue) {
			return nil, invalid(name, value, "A name has at most %d characters, a value %d, and no control characters.",
				maxFieldName, maxFieldValue).telling(tell)
		}
		if slices.ContainsFunc(sent, func(before auth.ExtendedField) bool { return before.Name == named.Name }) {
			return nil, invalid(name, value, "A field is named twice.").telling(tell)
		}
		sent = append(sent, named)
	}
	all := value.Kind() == 'n'
	return func(_ *claims.Profile, b *auth.Biography) {
		merged := slices.DeleteFunc(slices.Clone(b.Extended), func(old auth.ExtendedField) bool {
			return all || slices.ContainsFunc(sent, func(f auth.ExtendedField) bool { return f.Name == old.Name })
		})
		for _, f := range sent {
			if f.Value != "" {
				merged = append(merged, f)
			}
		}
		slices.SortFunc(merged, func(x, y auth.ExtendedField) int { return cmp.Compare(x.Name, y.Name) })
		b.Extended = merged
	}, nil
}
