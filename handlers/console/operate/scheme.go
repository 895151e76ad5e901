package operate

import (
	"context"
	"slices"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/metadata"
)

// scheme is what an organisation has laid down, as the user may see it.
type scheme struct {
	Definitions []metadata.Definition
	Groups      []metadata.Group
}

// schemeLimit is how many definitions and groups a page reads at once.
const schemeLimit = 200

func (k *desk) scheme() (*scheme, error) {
	ctx, s := k.Request().Context(), &scheme{}
	var err error
	s.Definitions, err = collect(func(p metadata.Page) ([]metadata.Definition, string, error) {
		return k.Metadata.Definitions(ctx, k.caller, k.org.Slug, p)
	})
	if err != nil {
		return nil, err
	}
	s.Groups, err = collect(func(p metadata.Page) ([]metadata.Group, string, error) {
		return k.Metadata.Groups(ctx, k.caller, k.org.Slug, p)
	})
	return s, err
}

// collect reads a list to its end.
func collect[T any](read func(metadata.Page) ([]T, string, error)) (all []T, err error) {
	p := metadata.Page{Limit: schemeLimit}
	for {
		some, next, err := read(p)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if next == "" {
			return all, nil
		}
		p.After = next
	}
}

// definition is that of a key, nil for none.
func (s *scheme) definition(key string) *metadata.Definition {
	n := slices.IndexFunc(s.Definitions, func(d metadata.Definition) bool { return strings.EqualFold(d.Key, key) })
	if n < 0 {
		return nil
	}
	return &s.Definitions[n]
}

// slugs names groups that are known by id. Those that are gone have none.
func (s *scheme) slugs(ids []string) []string {
	var slugs []string
	for _, g := range s.Groups {
		if slices.Contains(ids, g.ID) {
			slugs = append(slugs, g.Slug)
		}
	}
	return slugs
}

// clientsOf are clients of the organisation to choose from, as many as a list can hold.
func (k *desk) clientsOf(ctx context.Context) ([]auth.Client, error) {
	clients, _, err := k.Clients.List(ctx, k.caller, k.org.Slug, auth.Page{Limit: schemeLimit})
	return clients, err
}

// valueTyped is the value somebody means by a text without more: of the type of the definition, or else text, unless it is a number, true,
// false or null.
func valueTyped(text string, d *metadata.Definition) (metadata.Value, error) {
	switch page.ShapeOf(d).Kind {
	case page.KindText:
		return page.TextValue(text)
	case page.KindNumber, page.KindYesNo, page.KindJSON:
		return jsonValue(text)
	}
	if v, err := jsonValue(text); err == nil && v.Raw()[0] != '{' && v.Raw()[0] != '[' {
		return v, nil
	}
	return page.TextValue(text)
}
