package native

import (
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// installationOrg names, where an organisation is asked for, the installation itself.
const installationOrg = "-"

type eventBody struct {
	Seq       uint64    `json:"seq"`
	Time      time.Time `json:"time"`
	Action    string    `json:"action"`
	Actor     string    `json:"actor"`
	Org       string    `json:"org"`
	Target    string    `json:"target"`
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason"`
	RequestID string    `json:"request_id"`
	Address   string    `json:"address"`
	Dialect   string    `json:"dialect"`
	Hash      string    `json:"hash"`
}

func viewEvent(e *audit.Entry) eventBody {
	return eventBody{
		Seq: e.Seq, Time: e.Time, Action: e.Action, Actor: e.Actor, Org: e.Org, Target: e.Target, Outcome: e.Outcome, Reason: e.Reason,
		RequestID: e.ID, Address: e.Address, Dialect: e.Dialect, Hash: e.Hash,
	}
}

type verificationBody struct {
	First  uint64 `json:"first"`
	Last   uint64 `json:"last"`
	Head   string `json:"head"`
	Broken uint64 `json:"broken"`
	Why    string `json:"why"`
}

// trailOrg is the organisation whose audit log is asked for.
func trailOrg(caller *auth.Caller, query url.Values) string {
	switch org := query.Get("org"); org {
	case "":
		return caller.HomeOrg()
	case installationOrg:
		return ""
	default:
		return org
	}
}

var trailParameters = []string{"org", "actor", "target", "action", "outcome", "from", "to"}

func trailFilter(query url.Values) (f auth.TrailFilter, err error) {
	f = auth.TrailFilter{
		Actor: query.Get("actor"), Target: query.Get("target"), Action: query.Get("action"), Outcome: query.Get("outcome"),
	}
	switch f.Outcome {
	case "", audit.Success, audit.Denied, audit.Failed:
	default:
		return f, &auth.Error{Code: auth.InvalidRequest, Field: "outcome", Detail: "one of success, denied, failed"}
	}
	if f.From, err = moment(query, "from"); err != nil {
		return f, err
	}
	f.To, err = moment(query, "to")
	return f, err
}

// moment reads a parameter that is a time, the zero time where it is not there.
func moment(query url.Values, name string) (time.Time, error) {
	if !query.Has(name) {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, query.Get(name))
	if err != nil {
		return at, &auth.Error{Code: auth.InvalidRequest, Field: name, Detail: "a time like 2026-08-01T12:00:00Z (RFC 3339)", Err: err}
	}
	return at, nil
}

func (d *Dialect) listEvents(c echo.Context, caller *auth.Caller) error {
	query, err := request.Query(c.Request(), append([]string{"limit", "cursor"}, trailParameters...)...)
	if err != nil {
		return err
	}
	filter, err := trailFilter(query)
	if err != nil {
		return err
	}
	page, err := d.paging(c, caller, query)
	if err != nil {
		return err
	}
	events, next, err := d.Trail.List(c.Request().Context(), caller, trailOrg(caller, query), filter, page.Page)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, 0, map[string]any{"events": each(events, viewEvent), "next": page.next(next)})
}

func (d *Dialect) exportEvents(s *stream, caller *auth.Caller) error {
	query, err := request.Query(s.Request(), trailParameters...)
	if err != nil {
		return err
	}
	filter, err := trailFilter(query)
	if err != nil {
		return err
	}
	err = d.Trail.Export(s.Request().Context(), caller, trailOrg(caller, query), filter, func(e audit.Entry) error {
		if err := s.authenticated(); err != nil {
			return err
		}
		return s.line(viewEvent(&e))
	})
	if err != nil {
		return err
	}
	s.begin(request.NDJSON)
	return s.Flush()
}

// verifyEvents has the time of a stream: it reads a whole chain.
func (d *Dialect) verifyEvents(s *stream, caller *auth.Caller) error {
	query, err := request.Query(s.Request(), "org")
	if err != nil {
		return err
	}
	v, err := d.Trail.Verify(s.Request().Context(), caller, trailOrg(caller, query))
	if err != nil {
		return err
	}
	text, err := json.Marshal(verificationBody(v))
	if err != nil {
		return err
	}
	s.begin(echo.MIMEApplicationJSON)
	if _, err := s.Write(text); err != nil {
		return err
	}
	return s.Flush()
}
