package request

import (
	"mime"
	"net/http"
	"net/url"
)

// DecodeFields reads the fields of a form, application/x-www-form-urlencoded or multipart/form-data without files, of at most maxBody bytes
// and maxFields fields, each once. The address may have a query of its own, which is not looked at.
//
// Every list of the result has exactly one element.
func DecodeFields(r *http.Request, maxBody int64, maxFields int) (url.Values, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "multipart/form-data" {
		return readForm(r, maxBody, maxFields)
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
	parts, err := NewParts(r)
	if err != nil {
		return nil, err
	}
	fields, _, err := parts.readForm(maxFields, maxBody, noFiles)
	return fields, err
}
