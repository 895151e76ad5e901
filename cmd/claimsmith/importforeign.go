package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/cmd/claimsmith/migrate"
	"github.com/claimsmith/claimsmith/config"
)

// foreignInput is what another system exports. Its place is how many records there were before: it is read again from the beginning.
type foreignInput struct {
	reader migrate.Reader
	count  int
}

func openForeign(r io.Reader, c *config.Import, from inputPosition) (_ importInput, err error) {
	options := migrate.Options{Claims: c.Claims, From: c.From, Apps: map[string]string{}, Now: time.Now()}
	for _, pair := range c.Apps {
		number, client, _ := strings.Cut(pair, "=")
		options.Apps[number] = client
	}
	if c.Passwords != "" {
		file, err := os.Open(c.Passwords)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		options.Passwords = file
	}
	f := &foreignInput{}
	if f.reader, err = migrate.Open(c.Format, r, options); err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	for f.count < from.Line {
		if _, err := f.next(); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

func (f *foreignInput) position() inputPosition { return inputPosition{f.reader.Offset(), f.count} }
func (f *foreignInput) head() []byte            { return f.reader.Head() }
func (f *foreignInput) close()                  { f.reader.Close() }

func (f *foreignInput) next() (importRow, error) {
	record, err := f.reader.Next()
	if err != nil {
		return importRow{}, err
	}
	f.count++
	row := importRow{number: record.Number, refused: record.Refused, passed: record.Passed, leftOut: record.LeftOut, raw: record.Raw}
	if row.refused != nil || row.passed != "" {
		return row, nil //nolint:nilerr // a record that is refused does not end the import
	}
	if row.line, err = json.Marshal(record.Line, json.Deterministic(true)); err != nil {
		row.refused = errors.New("his texts are not valid UTF-8")
	} else if len(row.line) > migrate.MaxRecord {
		row.refused = migrate.ErrLong
	}
	return row, nil
}

// beside counts what the input has beside users.
func beside(in importInput) map[string]int {
	if f, ok := in.(*foreignInput); ok {
		return maps.Clone(f.reader.Beside())
	}
	return nil
}

// settings tell apart imports of the same file that make different users of it.
func settings(c *config.Import) (string, error) {
	texts := append(append([]string{c.From}, c.Claims...), c.Apps...)
	if c.Passwords != "" {
		info, err := os.Stat(c.Passwords)
		if err != nil {
			return "", err
		}
		texts = append(texts, c.Passwords, info.ModTime().UTC().Format(time.RFC3339Nano))
	}
	if strings.Join(texts, "") == "" {
		return "", nil
	}
	return fmt.Sprintf("%q", texts), nil
}
