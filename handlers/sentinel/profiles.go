package sentinel

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// profileBody is a profile as Sentinel shows it.
type profileBody struct {
	ID        uint64         `json:"id"`
	UserID    string         `json:"user_id"`
	AppID     uint64         `json:"app_id"`
	Data      jsontext.Value `json:"profile_data"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
}

// hasProfile reports whether the caller sees anything in a document. Every profile that is created here has an entry, and a document that
// was emptied in another way, or by taking back what was refused, is none.
func hasProfile(doc *metadata.Document) bool { return len(doc.Entries) > 0 }

func view(user string, client *auth.Client, doc *metadata.Document) profileBody {
	return profileBody{
		ID: profileID(user, client.ID), UserID: user, AppID: client.Number, Data: metadata.Join(doc.Entries),
		CreatedAt: doc.CreatedAt.UTC(), UpdatedAt: doc.ChangedAt.UTC(),
	}
}

// newProfile is a profile to create.
type newProfile struct {
	AppID       *uint64        `json:"app_id"`
	ProfileData jsontext.Value `json:"profile_data"`
	UserID      *string        `json:"user_id"`
}

type bulkBody struct {
	Profiles *[]newProfile `json:"profiles"`
}

type bulkResult struct {
	Profiles []profileBody `json:"profiles"`
	Created  int           `json:"created"`
}

func required(field string) error {
	return &auth.Error{Code: auth.InvalidRequest, Field: field, Detail: field + " is required"}
}

// change replaces a profile by what was sent. place is where in the body that was.
func (p *newProfile) change(place string) (metadata.Change, error) {
	if p.AppID == nil {
		return metadata.Change{}, required(place + "app_id")
	}
	if p.ProfileData == nil {
		return metadata.Change{}, required(place + "profile_data")
	}
	set, err := entries(p.ProfileData)
	return metadata.Change{Set: set, Replace: true}, within(place+"profile_data", err)
}

// application finds the application of a number in the caller's organisation.
func (d *Dialect) application(ctx context.Context, caller *auth.Caller, number uint64) (*auth.Client, error) {
	client, err := d.Registry.Application(ctx, caller.HomeOrg(), number)
	if auth.CodeOf(err) == auth.NotFound {
		return nil, &auth.Error{Code: auth.NotFound, Detail: "no such application", Err: err}
	}
	return client, err
}

// applicationInPath is application for the number in the path.
func (d *Dialect) applicationInPath(c echo.Context, caller *auth.Caller) (*auth.Client, error) {
	text, err := request.PathValue(c, "appid")
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(number, 10) != text {
		return nil, &request.Error{Code: request.Malformed, Field: "appid", Detail: "an application id is a whole number"}
	}
	return d.application(c.Request().Context(), caller, number)
}

// ownProfile answers with a list, of one profile or none.
func (d *Dialect) ownProfile(c echo.Context, caller *auth.Caller) error {
	client, err := d.applicationInPath(c, caller)
	if err != nil {
		return err
	}
	doc, err := d.Metadata.Get(c.Request().Context(), caller, metadata.Target{User: "me", App: client.ID})
	if err != nil {
		return err
	}
	profiles := []profileBody{}
	if hasProfile(&doc) {
		user, _ := caller.Self(caller.HomeOrg())
		profiles = append(profiles, view(user, client, &doc))
	}
	return respond(c, http.StatusOK, profiles)
}

// createOwn creates or replaces the caller's own profile, and refuses a body about another user's.
func (d *Dialect) createOwn(c echo.Context, caller *auth.Caller) error {
	body, err := request.DecodeJSON[newProfile](c.Request(), maxProfileBody)
	if err != nil {
		return err
	}
	user, _ := caller.Self(caller.HomeOrg())
	if body.UserID != nil && *body.UserID != user {
		return &auth.Error{
			Code: auth.InvalidRequest, Field: "user_id", Detail: "a profile is created for the user of the token; leave user_id out",
		}
	}
	change, err := body.change("")
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	client, err := d.application(ctx, caller, *body.AppID)
	if err != nil {
		return err
	}
	doc, err := d.Metadata.Apply(ctx, caller, metadata.Target{User: "me", App: client.ID}, change, metadata.Precondition{})
	if err != nil {
		return within("profile_data", err)
	}
	status := http.StatusOK
	if doc.Revision == 1 { // every creation sets an entry, and so raises it: nothing was ever written before
		status = http.StatusCreated
	}
	return respond(c, status, view(user, client, &doc))
}

// profileOf answers with the profile of any user.
func (d *Dialect) profileOf(c echo.Context, caller *auth.Caller) error {
	name, err := request.PathValue(c, "userid")
	if err != nil {
		return err
	}
	client, err := d.applicationInPath(c, caller)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	user, err := d.user(ctx, caller, name)
	if err != nil {
		return err
	}
	doc, err := d.Metadata.Get(ctx, caller, metadata.Target{User: user.ID, App: client.ID})
	if err != nil {
		return err
	}
	if !hasProfile(&doc) {
		return &auth.Error{Code: auth.NotFound, Detail: "the user has no profile for this application"}
	}
	return respond(c, http.StatusOK, view(user.ID, client, &doc))
}

// user finds whom a name means now: an id is his for good, any other name may have passed to somebody else a moment ago.
func (d *Dialect) user(ctx context.Context, caller *auth.Caller, name string) (auth.User, error) {
	if auth.ValidUserID(name) {
		user, err := d.Users.Recent(ctx, caller, "", name)
		if err != nil {
			return auth.User{}, err
		}
		if user.ID == name {
			return *user, nil
		}
	}
	return d.Users.Find(ctx, caller, "", name)
}

// createBulk creates or replaces profiles, all of them or none.
func (d *Dialect) createBulk(c echo.Context, caller *auth.Caller) error {
	body, err := request.DecodeJSON[bulkBody](c.Request(), maxBulkBody)
	if err != nil {
		return err
	}
	switch {
	case body.Profiles == nil:
		return required("profiles")
	case len(*body.Profiles) == 0:
		return &auth.Error{Code: auth.InvalidRequest, Field: "profiles", Detail: "profiles must not be empty"}
	case len(*body.Profiles) > metadata.MaxTogether:
		return metadata.Exceeded("profiles", "profiles in one request", len(*body.Profiles), metadata.MaxTogether)
	}
	return handlers.Patient(func(c echo.Context) error {
		ctx := c.Request().Context()
		items, err := d.items(ctx, caller, *body.Profiles)
		if err != nil {
			return err
		}
		changes := make([]metadata.Targeted, len(items))
		for n := range items {
			changes[n] = items[n].Targeted
		}
		docs, index, err := d.Metadata.ApplyAll(ctx, caller, changes)
		if err != nil && index >= 0 && index < len(items) {
			return within(items[index].place+"profile_data", err)
		}
		if err != nil {
			return err
		}
		result := bulkResult{Profiles: make([]profileBody, len(docs)), Created: len(docs)}
		for n := range docs {
			result.Profiles[n] = view(items[n].User, items[n].client, &docs[n])
		}
		return respond(c, http.StatusCreated, result)
	})(c)
}

// item is a profile of a bulk, with everything found that it names.
type item struct {
	metadata.Targeted
	client *auth.Client
	place  string
}

// items finds out what the profiles of a bulk are about. Of two about the same user and application the later one counts.
func (d *Dialect) items(ctx context.Context, caller *auth.Caller, asked []newProfile) ([]item, error) {
	items := make([]item, len(asked))
	names := make([]string, len(asked))
	for n := range asked {
		items[n].place = "profiles/" + strconv.Itoa(n) + "/"
		if asked[n].UserID == nil || *asked[n].UserID == "" {
			return nil, required(items[n].place + "user_id")
		}
		var err error
		if items[n].Change, err = asked[n].change(items[n].place); err != nil {
			return nil, err
		}
		names[n] = *asked[n].UserID
	}
	users, err := d.userIDs(ctx, caller, names)
	if err != nil {
		return nil, err
	}
	for n := range items {
		i := &items[n]
		if i.client, err = d.application(ctx, caller, *asked[n].AppID); err != nil {
			return nil, unknown(i.place+"app_id", err)
		}
		i.User, i.App = users[names[n]], i.client.ID
		if i.User == "" {
			return nil, unknown(i.place+"user_id", &auth.Error{Code: auth.NotFound, Detail: "no such user"})
		}
	}
	seen := make(map[metadata.Target]bool, len(items))
	var kept []item
	for _, i := range slices.Backward(items) {
		if !seen[i.Target] {
			seen[i.Target] = true
			kept = append(kept, i)
		}
	}
	slices.Reverse(kept)
	return kept, nil
}

// unknown says which member of the body names what does not exist.
func unknown(field string, err error) error {
	refused, ok := errors.AsType[*auth.Error](err)
	if !ok || refused.Code != auth.NotFound {
		return err
	}
	e := *refused
	e.Field = field
	return &e
}

// userIDs are the ids of those users that exist, by the names they are given: nearly always ids.
func (d *Dialect) userIDs(ctx context.Context, caller *auth.Caller, names []string) (map[string]string, error) {
	found := make(map[string]string, len(names))
	var ids []string
	for _, name := range names {
		if _, known := found[name]; !known && auth.ValidUserID(name) {
			ids = append(ids, name)
		}
		found[name] = ""
	}
	users, err := d.Users.Named(ctx, caller, "", ids)
	if err != nil {
		return nil, err
	}
	for n := range users {
		found[users[n].ID] = users[n].ID
	}
	for name, id := range found {
		if id != "" {
			continue
		}
		user, err := d.Users.Find(ctx, caller, "", name)
		if auth.CodeOf(err) == auth.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[name] = user.ID
	}
	return found, nil
}
