package native

import (
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// entryBody is an entry as seed 002 has it.
type entryBody struct {
	Key          string         `json:"key"`
	Value        jsontext.Value `json:"value"`
	ProfileClaim bool           `json:"profileClaim"`
}

// entryDetail is an entry with what the store knows about it.
type entryDetail struct {
	entryBody
	Revision  uint64    `json:"revision"`
	CreatedAt time.Time `json:"createdAt"`
	ChangedAt time.Time `json:"changedAt"`
	ChangedBy string    `json:"changedBy"`
}

type documentBody struct {
	Metadata []entryBody `json:"metadata"`
}

type putBody struct {
	Value        jsontext.Value      `json:"value"`
	ProfileClaim request.Maybe[bool] `json:"profileClaim"`
}

type setBody struct {
	Key string `json:"key"`
	putBody
}

type replaceBody struct {
	Metadata *[]setBody `json:"metadata"`
}

type patchBody struct {
	Set    *[]setBody `json:"set"`
	Delete *[]string  `json:"delete"`
}

func (p putBody) put(key string) (metadata.Put, error) {
	if p.Value == nil {
		return metadata.Put{}, &metadata.Error{
			Code: metadata.Invalid, Field: "value", Detail: "value is required; any JSON value is allowed, null too",
		}
	}
	value, err := metadata.JSON(p.Value)
	if err != nil {
		return metadata.Put{}, err
	}
	return metadata.Put{Key: key, Value: value, ProfileClaim: p.ProfileClaim.Value, Unmarked: !p.ProfileClaim.Given}, nil
}

func puts(sets []setBody) ([]metadata.Put, error) {
	all := make([]metadata.Put, 0, len(sets))
	for _, s := range sets {
		put, err := s.put(s.Key)
		if err != nil {
			return nil, err
		}
		all = append(all, put)
	}
	return all, nil
}

func viewEntry(e *metadata.Entry) entryBody {
	return entryBody{Key: e.Key, Value: jsonOf(e.Value), ProfileClaim: e.ProfileClaim}
}

// jsonOf is a value in JSON. Bytes, which only other dialects write, are shown as their base64 text.
func jsonOf(v metadata.Value) jsontext.Value { return jsontext.Value(v.JSON()) }

func viewDocument(doc *metadata.Document) documentBody {
	body := documentBody{Metadata: make([]entryBody, len(doc.Entries))}
	for n := range doc.Entries {
		body.Metadata[n] = viewEntry(&doc.Entries[n])
	}
	return body
}

// documents are the operations on the documents of one kind of target, whose address is below path.
type documents struct {
	*Dialect
	path   string
	target func(c echo.Context, parameters ...string) (metadata.Target, url.Values, error)
	shared bool // by many, who are all looked at when it changes
}

// userDocument reads which document of a user a request is about, and its query, which may have these parameters too.
func userDocument(c echo.Context, parameters ...string) (metadata.Target, url.Values, error) {
	user, err := request.PathValue(c, "userId")
	if err != nil {
		return metadata.Target{}, nil, err
	}
	query, err := request.Query(c.Request(), append(parameters, "org", "app")...)
	return metadata.Target{Org: query.Get("org"), App: query.Get("app"), User: user}, query, err
}

// groupDocument is userDocument for what the members of a group inherit.
func groupDocument(c echo.Context, parameters ...string) (metadata.Target, url.Values, error) {
	group, err := request.PathValue(c, "group")
	if err != nil {
		return metadata.Target{}, nil, err
	}
	query, err := request.Query(c.Request(), append(parameters, "org")...)
	return metadata.Target{Org: query.Get("org"), Shared: true, Group: group}, query, err
}

// orgDocument is userDocument for what all users of an organisation inherit.
func orgDocument(c echo.Context, parameters ...string) (metadata.Target, url.Values, error) {
	org, err := request.PathValue(c, "org")
	if err != nil {
		return metadata.Target{}, nil, err
	}
	query, err := request.Query(c.Request(), parameters...)
	return metadata.Target{Org: org, Shared: true}, query, err
}

func (d documents) targetEntry(c echo.Context) (metadata.Target, string, error) {
	t, _, err := d.target(c)
	if err != nil {
		return t, "", err
	}
	key, err := request.PathValue(c, "key")
	return t, key, err
}

// precondition reads If-Match and If-None-Match for a document (key "") or one entry.
func precondition(c echo.Context, key string) (metadata.Precondition, error) {
	p := metadata.Precondition{Key: key}
	match, err := request.IfMatch(c.Request())
	if err != nil {
		return p, err
	}
	noneMatch, err := request.IfNoneMatch(c.Request())
	p.IfMatch, p.IfNoneMatch = condition(match), condition(noneMatch)
	return p, err
}

func condition(c *request.Condition) *metadata.Condition {
	if c == nil {
		return nil
	}
	return &metadata.Condition{Any: c.Any, Revisions: c.Revisions}
}

func (d documents) get(c echo.Context, caller *auth.Caller) error {
	t, _, err := d.target(c)
	if err != nil {
		return err
	}
	doc, err := d.Metadata.Get(c.Request().Context(), caller, t)
	if err != nil {
		return err
	}
	return showRevision(c, doc.Revision, viewDocument(&doc))
}

func respondDocument(c echo.Context, doc *metadata.Document) error {
	return respondRevision(c, doc.Revision, viewDocument(doc))
}

func (d documents) getEntry(c echo.Context, caller *auth.Caller) error {
	t, key, err := d.targetEntry(c)
	if err != nil {
		return err
	}
	e, err := d.Metadata.GetEntry(c.Request().Context(), caller, t, key)
	if err != nil {
		return err
	}
	return show(c, e.Revision, entryDetail{
		entryBody: viewEntry(&e), Revision: e.Revision, CreatedAt: e.CreatedAt, ChangedAt: e.ChangedAt, ChangedBy: e.ChangedBy,
	})
}

func (d documents) putEntry(c echo.Context, caller *auth.Caller) error {
	t, key, err := d.targetEntry(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[putBody](c.Request(), maxMetadataBody)
	if err != nil {
		return err
	}
	put, err := body.put(key)
	if err != nil {
		return err
	}
	pre, err := precondition(c, key)
	if err != nil {
		return err
	}
	doc, err := d.Metadata.Apply(c.Request().Context(), caller, t, metadata.Change{Set: []metadata.Put{put}, Brief: true}, pre)
	if err != nil {
		return err
	}
	e, _ := doc.Entry(key)
	return respond(c, http.StatusOK, e.Revision, viewEntry(&e))
}

func (d documents) deleteEntry(c echo.Context, caller *auth.Caller) error {
	t, key, err := d.targetEntry(c)
	if err != nil {
		return err
	}
	pre, err := precondition(c, key)
	if err != nil {
		return err
	}
	doc, err := d.Metadata.Apply(c.Request().Context(), caller, t, metadata.Change{Delete: []string{key}, Brief: true}, pre)
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", request.ETag(doc.Revision))
	return noContent(c)
}

func (d documents) replace(c echo.Context, caller *auth.Caller) error {
	t, _, err := d.target(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[replaceBody](c.Request(), maxMetadataBody)
	if err != nil {
		return err
	}
	if body.Metadata == nil {
		return &metadata.Error{
			Code: metadata.Invalid, Field: "metadata", Detail: "metadata is required; an empty list removes all entries",
		}
	}
	set, err := puts(*body.Metadata)
	if err != nil {
		return err
	}
	return d.change(c, caller, t, metadata.Change{Set: set, Replace: true})
}

func (d documents) patch(c echo.Context, caller *auth.Caller) error {
	t, _, err := d.target(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[patchBody](c.Request(), maxMetadataBody)
	if err != nil {
		return err
	}
	if body.Set == nil && body.Delete == nil {
		return &metadata.Error{Code: metadata.Invalid, Detail: "set, delete or both are required"}
	}
	var change metadata.Change
	if body.Delete != nil {
		change.Delete = *body.Delete
	}
	if body.Set != nil {
		if change.Set, err = puts(*body.Set); err != nil {
			return err
		}
	}
	return d.change(c, caller, t, change)
}

func (d documents) change(c echo.Context, caller *auth.Caller, t metadata.Target, change metadata.Change) error {
	pre, err := precondition(c, "")
	if err != nil {
		return err
	}
	doc, err := d.Metadata.Apply(c.Request().Context(), caller, t, change, pre)
	if err != nil {
		return err
	}
	return respondDocument(c, &doc)
}
