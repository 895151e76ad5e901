package native

import (
	"errors"
	"io"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// maxLine bounds a line of a stream, as maxMetadataBody a body.
const maxLine = maxMetadataBody

// stream is a request that is answered for as long as it takes. Its answer is one JSON value a line.
type stream struct {
	*handlers.Stream
	echo.Context
	dialect *Dialect
	bearer  string
}

// streamed makes a handler of streams one of requests.
func (d *Dialect) streamed(h func(*stream, *auth.Caller) error) handler {
	return func(c echo.Context, caller *auth.Caller) error {
		return handlers.Streaming(func(c echo.Context, s *handlers.Stream) error {
			bearer, err := request.Bearer(c.Request())
			if err != nil {
				return err
			}
			return h(&stream{s, c, d, bearer}, caller)
		})(c)
	}
}

// authenticated reports whether the credential still stands, which may have ended since the stream began.
func (s *stream) authenticated() error {
	ctx, cancel := s.Step(s.Request().Context())
	defer cancel()
	_, err := s.dialect.Callers.Resolve(ctx, s.bearer)
	return err
}

// begin sends the head of the answer, once.
func (s *stream) begin(mediaType string) {
	if !s.Response().Committed {
		s.Response().Header().Set("Content-Type", mediaType)
		s.Response().WriteHeader(http.StatusOK)
	}
}

// line answers with one more line.
func (s *stream) line(body any) error {
	text, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		return err
	}
	s.begin(request.NDJSON)
	_, err = s.Write(append(text, '\n'))
	return err
}

// outcomeBody is what came of a line.
type outcomeBody struct {
	Line     int          `json:"line"`
	Status   int          `json:"status"`
	ID       string       `json:"id,omitempty"`
	Revision uint64       `json:"revision,omitzero"`
	Code     problem.Code `json:"code,omitempty"`
	Detail   string       `json:"detail,omitempty"`
	Field    string       `json:"field,omitempty"`
}

// sumBody is the last line of an answer: without it, it is not complete.
type sumBody struct {
	Done      bool `json:"done"`
	Lines     int  `json:"lines"`
	Succeeded int  `json:"succeeded"`
	Failed    int  `json:"failed"`
}

// each reads the body line by line as I, which read makes the L that work is done on, and answers with what view shows of the results.
func eachLine[I, L, R any](s *stream, read func(I) (L, error), work func(people.Stream[L, R]) error, view func(R, *outcomeBody)) error {
	lines, err := request.ReadLines(s.Request(), maxLine)
	if err != nil {
		return err
	}
	sum := sumBody{Done: true}
	err = work(people.Stream[L, R]{
		Step: s.Step,
		Next: func() (people.Unread[L], error) {
			if err := s.authenticated(); err != nil {
				return people.Unread[L]{}, err
			}
			s.Receiving()
			line, err := lines.Next()
			if errors.Is(err, io.EOF) {
				s.Received()
			}
			return people.Unread[L]{Number: line.Number, Size: len(line.Text), Read: func() (l L, err error) {
				if line.Err != nil {
					return l, line.Err
				}
				body, err := request.DecodeLine[I](line.Text)
				if err != nil {
					return l, err
				}
				return read(body)
			}}, err
		},
		Done: func(o people.Outcome[R]) error {
			body := outcomeBody{Line: o.Number, Status: http.StatusOK}
			sum.Lines++
			if o.Err == nil {
				sum.Succeeded++
				view(o.Result, &body)
			} else {
				sum.Failed++
				s.refuse(o.Err, &body)
			}
			err := s.line(body)
			if err == nil && !o.More {
				err = s.Flush()
			}
			if err != nil {
				s.Interrupt()
			}
			return err
		},
	})
	if err != nil {
		return err
	}
	return errors.Join(s.line(sum), s.Flush())
}

// refuse says what a line was refused for.
func (s *stream) refuse(err error, body *outcomeBody) {
	p := problem.Of(err)
	if p.Status == http.StatusInternalServerError {
		s.dialect.Logger.ErrorContext(s.Request().Context(), "a line of a stream failed", "route", s.Path(), "error", err.Error())
	}
	body.Status, body.Code, body.Detail = p.Status, p.Code, p.Detail
	for field := range p.Errors {
		body.Field = field
	}
}

// file answers with a file to keep, which write writes.
func (s *stream) file(name, mediaType string, write func(io.Writer) error) error {
	s.Response().Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return write(writerFunc(func(p []byte) (int, error) {
		s.begin(mediaType)
		return s.Write(p)
	}))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
