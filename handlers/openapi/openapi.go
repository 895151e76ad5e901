// Package openapi describes the HTTP API to people and programs: the OpenAPI document at /openapi.json, and pages below /docs
// that show it and try it out. The document, openapi.yaml, is written by hand; package openapitest holds every answer to it.
package openapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// Dialect mounts the description.
type Dialect struct {
	// Issuer is where the API is, as clients address it.
	Issuer string
	// Dialects are the names of the other systems' dialects that are served, each with a document of its own.
	Dialects []string
}

const (
	pathDocument  = "/openapi.json"
	pathDocuments = "/openapi"
	pathPages     = "/docs"
)

// Name implements handlers.Dialect.
func (d *Dialect) Name() string { return "openapi" }

// Prefixes implements handlers.Dialect.
func (d *Dialect) Prefixes() []string { return []string{pathDocument, pathDocuments, pathPages} }

// Mount implements handlers.Dialect.
func (d *Dialect) Mount(e *echo.Echo) {
	e.Add(http.MethodGet, pathDocument, d.document(Own))
	for _, name := range d.Dialects {
		e.Add(http.MethodGet, pathDocuments+"/"+name+".json", d.document(name))
	}
	e.Add(http.MethodGet, pathPages, redirect)
	e.Add(http.MethodGet, pathPages+"/", page)
	e.Add(http.MethodGet, pathPages+"/:asset", asset)
}

// RenderError implements handlers.Dialect with RFC 9457 problem details.
func (d *Dialect) RenderError(c echo.Context, p problem.Problem) error { return p.Write(c.Response()) }

func (d *Dialect) document(name string) echo.HandlerFunc {
	return func(c echo.Context) error {
		text, err := Document(d.Issuer, name)
		if err != nil {
			return err
		}
		if name == Own {
			if text, err = d.withOthers(text); err != nil {
				return err
			}
		}
		return serve(c, "application/json", "", text)
	}
}

// withOthers names the documents of the dialects that are served in the own one's x-documents.
func (d *Dialect) withOthers(text []byte) ([]byte, error) {
	type other struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	others := make([]other, 0, len(d.Dialects))
	for _, name := range d.Dialects {
		others = append(others, other{name, d.Issuer + pathDocuments + "/" + name + ".json"})
	}
	list, err := json.Marshal(others)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(`{"x-documents":`), list, []byte(","), bytes.TrimPrefix(text, []byte("{"))), nil
}

// serve answers with a text that stays the same until the next release: it may be kept, but not used without asking again.
func serve(c echo.Context, mediaType, encoding string, text []byte) error {
	known, err := request.IfNoneMatch(c.Request())
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	revision := binary.BigEndian.Uint64(sum[:])
	h := c.Response().Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", request.ETag(revision))
	if known.Matches(revision) {
		return c.NoContent(http.StatusNotModified)
	}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	return c.Blob(http.StatusOK, mediaType, text)
}
