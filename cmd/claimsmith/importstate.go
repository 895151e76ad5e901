package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/go-json-experiment/json"
)

const ownerOnly = 0o600

// importState is how far an import has come. It is kept beside the input until the import is complete.
type importState struct {
	// Size and Modified tell whether the input is still the same; URL and Org where it went.
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	URL      string    `json:"url"`
	Org      string    `json:"org"`
	Format   string    `json:"format"`
	Settings string    `json:"settings,omitempty"`

	inputPosition
	Imported int `json:"imported"`
	Refused  int `json:"refused"`
	Passed   int `json:"passed,omitzero"`
	// Rejects is the length of the file of refused lines.
	Rejects int64 `json:"rejects"`
}

// resume returns where an earlier attempt at the same import got to, or the beginning.
func resume(path string, now importState) (importState, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return now, nil
	}
	if err != nil {
		return now, err
	}
	var before importState
	if err := json.Unmarshal(text, &before); err != nil {
		return now, fmt.Errorf("%s: %w; remove it to begin anew", path, err)
	}
	now.inputPosition, now.Rejects = before.inputPosition, before.Rejects
	now.Imported, now.Refused, now.Passed = before.Imported, before.Refused, before.Passed
	if !before.Modified.Equal(now.Modified) {
		return now, fmt.Errorf("%s is about another state of the file; remove it to begin anew", path)
	}
	if before.Modified = now.Modified; before != now {
		return now, fmt.Errorf(
			"%s is about an import of another form or with other settings, or to another server or organisation; remove it to begin anew", path)
	}
	return now, nil
}

// save replaces the file as a whole, so that it is never half of one.
func (s *importState) save(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	next := path + ".new"
	if err := os.WriteFile(next, append(text, '\n'), ownerOnly); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// rejects is the file of the lines that were refused. It comes into being with the first one.
type rejects struct {
	path string // "" for none
	head []byte
	file *os.File
	size int64
}

// openRejects goes on behind the first size bytes of what is there.
func openRejects(path string, size int64, head []byte) (*rejects, error) {
	r := &rejects{path: path, head: head, size: size}
	if path == "" || size == 0 {
		return r, nil
	}
	var err error
	if r.file, err = os.OpenFile(path, os.O_WRONLY, ownerOnly); err != nil {
		return nil, err
	}
	if err = r.file.Truncate(size); err == nil {
		_, err = r.file.Seek(size, io.SeekStart)
	}
	return r, err
}

func (r *rejects) add(raw []byte) error {
	if r.path == "" {
		return nil
	}
	if r.file == nil {
		file, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, ownerOnly)
		if err != nil {
			return err
		}
		r.file = file
		raw = append(append([]byte{}, r.head...), raw...)
	}
	if len(raw) > 0 && raw[len(raw)-1] != '\n' {
		raw = append(raw[:len(raw):len(raw)], '\n')
	}
	n, err := r.file.Write(raw)
	r.size += int64(n)
	return err
}

func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
