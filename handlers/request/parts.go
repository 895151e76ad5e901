package request

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxParts bounds how many fields and files an upload has.
const maxParts = 200

const maxBoundary = 70 // RFC 2046 §5.1.1

// Parts are the fields and files of a form with files (multipart/form-data, RFC 7578) that is read while it comes.
type Parts struct {
	reader *multipart.Reader
	read   int
}

// Part is one of them. FileName, without a path, and MediaType are what the client says of a file; FileName is "" for a field.
type Part struct {
	Field, FileName, MediaType string
	Body                       io.Reader
}

// NewParts begins to read the body of a request.
func NewParts(r *http.Request) (*Parts, error) {
	if len(r.Header.Values("Content-Encoding")) > 0 {
		return nil, &Error{Code: UnsupportedMediaType, Detail: "the body must be sent without Content-Encoding"}
	}
	if len(r.Header.Values("Content-Type")) != 1 {
		return nil, &Error{Code: UnsupportedMediaType, Detail: "Content-Type must be multipart/form-data"}
	}
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return nil, &Error{Code: UnsupportedMediaType, Detail: "Content-Type must be multipart/form-data"}
	}
	boundary := parameters["boundary"]
	if boundary == "" || len(boundary) > maxBoundary {
		return nil, malformed("", "the body is no valid multipart/form-data: its Content-Type has no boundary of at most 70 characters")
	}
	// With a line break behind it the last boundary is seen without the end of the body, which is then always early.
	body := io.MultiReader(r.Body, strings.NewReader("\r\n"), early{})
	return &Parts{reader: multipart.NewReader(body, boundary)}, nil
}

// early is a body that should have had more.
type early struct{}

func (early) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Next returns the next part, io.EOF after the last. What was not read of the one before is passed over, and so are fields for files that
// no file was chosen for.
func (p *Parts) Next() (Part, error) {
	for {
		part, err := p.reader.NextPart()
		if errors.Is(err, io.EOF) {
			return Part{}, io.EOF
		}
		if err != nil {
			return Part{}, unreadable(err)
		}
		if p.read++; p.read > maxParts {
			return Part{}, malformed("", "there are too many fields")
		}
		if !utf8.ValidString(part.FormName()) || part.FormName() == "" {
			return Part{}, malformed("", "every field has a name")
		}
		_, parameters, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if _, isFile := parameters["filename"]; isFile && part.FileName() == "" {
			continue
		}
		return Part{part.FormName(), part.FileName(), part.Header.Get("Content-Type"), partBody{part}}, nil
	}
}

// File goes on to the next file of a field, io.EOF after the last.
func (p *Parts) File(field string) (Part, error) {
	for {
		if part, err := p.Next(); err != nil || part.Field == field && part.FileName != "" {
			return part, err
		}
	}
}

// noFiles is the maxFiles of a form that has none.
const noFiles = -1

// readForm reads all of a form of at most most fields: of a field maxField bytes, and of the files, by the names of their fields, maxFiles
// bytes together. An empty file is left out.
func (p *Parts) readForm(most int, maxField, maxFiles int64) (fields url.Values, files map[string][]byte, err error) {
	fields, files = url.Values{}, map[string][]byte{}
	for {
		part, err := p.Next()
		if errors.Is(err, io.EOF) {
			return fields, files, nil
		}
		if err != nil {
			return nil, nil, err
		}
		name, limit := part.Field, maxField
		if part.FileName != "" {
			limit = maxFiles
		}
		switch _, isFile := files[name]; {
		case limit == noFiles:
			return nil, nil, malformed(name, "the field must not be a file")
		case isFile || fields.Has(name):
			return nil, nil, malformed(name, "the field appears more than once")
		case len(fields)+len(files) == most:
			return nil, nil, malformed("", "there are too many fields")
		}
		text, err := io.ReadAll(io.LimitReader(part.Body, limit+1))
		switch {
		case int64(len(text)) > limit:
			return nil, nil, &Error{Code: TooLarge, Field: name, Detail: "it may have at most " + size(limit)}
		case err != nil:
			return nil, nil, err
		case part.FileName != "":
			if maxFiles -= int64(len(text)); len(text) > 0 {
				files[name] = text
			}
		case !utf8.Valid(text):
			return nil, nil, malformed(name, "the value is not valid UTF-8")
		default:
			fields[name] = []string{string(text)}
		}
	}
}

// partBody is what a part holds. What goes wrong is the client's fault.
type partBody struct{ io.Reader }

func (b partBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = unreadable(err)
	}
	return n, err
}

func unreadable(err error) error {
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return &Error{Code: TooLarge, Detail: "the body is too large"}
	}
	return malformed("", "the body could not be read to its end")
}
