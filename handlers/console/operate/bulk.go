package operate

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// bulkPage is the data of the page that changes many users at once.
type bulkPage struct {
	Text string
	// Ran: there is a result, of a trial run if Dry.
	Ran, Dry          bool
	Succeeded, Failed int
	Faults            []bulkFault
	// Cut: there were more faults than are listed.
	Cut bool
}

type bulkFault struct {
	Line          int
	Field, Detail string
}

const (
	maxBulkFaults = 200
	maxBulkLine   = 2 << 20
)

func (k *desk) bulk() error {
	if _, err := k.query(); err != nil {
		return err
	}
	return k.respond(http.StatusOK, "bulk", "bulk", bulkPage{})
}

// bulkLine is a change of one user's document, as POST /api/metadata/bulk takes it.
type bulkLine struct {
	User    string     `json:"user"`
	App     string     `json:"app"`
	Set     *[]bulkPut `json:"set"`
	Delete  *[]string  `json:"delete"`
	Replace bool       `json:"replace"`
	Groups  *[]string  `json:"groups"`
	IfMatch *uint64    `json:"if_match"`
}

type bulkPut struct {
	Key          string         `json:"key"`
	Value        jsontext.Value `json:"value"`
	ProfileClaim *bool          `json:"profileClaim"`
}

func readBulkLine(text []byte) (people.Line, error) {
	b, err := request.DecodeLine[bulkLine](text)
	if err != nil {
		return people.Line{}, err
	}
	l := people.Line{User: b.User, App: b.App, Groups: b.Groups, Change: metadata.Change{Replace: b.Replace}}
	if b.User == "" {
		return l, &metadata.Error{Code: metadata.Invalid, Field: "user", Detail: "user is required: an id, a username or a verified address"}
	}
	if b.Delete != nil {
		l.Change.Delete = *b.Delete
	}
	if b.IfMatch != nil {
		l.If.IfMatch = &metadata.Condition{Revisions: []uint64{*b.IfMatch}}
	}
	if b.Set == nil {
		return l, nil
	}
	for _, s := range *b.Set {
		if s.Value == nil {
			return l, &metadata.Error{Code: metadata.Invalid, Field: s.Key, Detail: "value is required"}
		}
		v, err := metadata.JSON(s.Value)
		if err != nil {
			return l, err
		}
		p := metadata.Put{Key: s.Key, Value: v, Unmarked: s.ProfileClaim == nil}
		if s.ProfileClaim != nil {
			p.ProfileClaim = *s.ProfileClaim
		}
		l.Change.Set = append(l.Change.Set, p)
	}
	return l, nil
}

func (k *desk) runBulk() error {
	data := bulkPage{Text: page.Lines(k.form.Get("text")), Ran: true, Dry: k.form.Get("do") != "apply"}
	if file := k.files["file"]; file != nil {
		data.Text = string(bytes.ToValidUTF8(file, []byte("\ufffd")))
	}
	rest, number := []byte(data.Text), 0
	next := func() (people.Unread[people.Line], error) {
		for len(rest) > 0 {
			text, after, _ := bytes.Cut(rest, []byte("\n"))
			rest = after
			number++
			if len(bytes.TrimSpace(text)) > 0 {
				return people.Unread[people.Line]{Number: number, Size: len(text), Read: func() (people.Line, error) {
					if len(text) > maxBulkLine {
						return people.Line{}, problem.New(problem.TooLarge, "the line is too long")
					}
					return readBulkLine(text)
				}}, nil
			}
		}
		return people.Unread[people.Line]{}, io.EOF
	}
	done := func(o people.Outcome[uint64]) error {
		if o.Err == nil {
			data.Succeeded++
			return nil
		}
		data.Failed++
		if len(data.Faults) == maxBulkFaults {
			data.Cut = true
			return nil
		}
		p := problem.Of(o.Err)
		data.Faults = append(data.Faults, bulkFault{o.Number, fieldOf(p), p.Detail})
		return nil
	}
	err := k.People.Bulk(k.Request().Context(), k.caller, k.org.Slug, data.Dry, people.Stream[people.Line, uint64]{
		Next: next, Done: done,
		Step: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, stepTimeout)
		},
	})
	if err != nil {
		return k.refuse(err, "bulk", "bulk", data)
	}
	if !data.Dry && data.Failed == 0 {
		data.Text = ""
	}
	return k.respond(http.StatusOK, "bulk", "bulk", data)
}
