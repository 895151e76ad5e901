package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"

	"github.com/claimsmith/claimsmith/cmd/claimsmith/migrate"
	"github.com/claimsmith/claimsmith/config"
)

// importRow is one user of the input.
type importRow struct {
	number int // of its first line
	// line is what to send, or refused says why there is nothing to be sent.
	line    []byte
	refused error
	// passed says what the row is where it is no user to import, leftOut what he has that does not come along.
	passed  string
	leftOut []string
	// raw is the row as it stands in the input, for the file of those that were refused.
	raw []byte
}

// importInput reads rows. After next, position is how much of the input has been read, and where the next row begins.
type importInput interface {
	next() (importRow, error)
	position() inputPosition
	// head is what a file in the form of the input begins with.
	head() []byte
	// close ends the reading; the file stays open.
	close()
}

// inputPosition is a place between two rows.
type inputPosition struct {
	Offset int64 `json:"offset"`
	Line   int   `json:"line"` // lines before it
}

// openInput makes rows of a file. from is where to begin; where it is not the beginning, r must be seekable.
func openInput(r io.Reader, c *config.Import, from inputPosition) (importInput, error) {
	if c.Format != config.NDJSON && c.Format != config.CSV {
		return openForeign(r, c, from)
	}
	skip := func() error {
		if from.Offset == 0 {
			return nil
		}
		s, ok := r.(io.Seeker)
		if !ok {
			return errors.New("this input cannot be read from the middle")
		}
		_, err := s.Seek(from.Offset, io.SeekStart)
		return err
	}
	if c.Format != config.CSV {
		return lineInput{migrate.NewLines(r, from.Offset, from.Line)}, skip()
	}
	users, err := newCSVUsers(r)
	if err != nil {
		return nil, err
	}
	rows := &rowInput{users: users}
	if from.Offset > 0 {
		rows.from = from
		users.rows = csv.NewReader(r)
		users.rows.FieldsPerRecord = -1
	}
	return rows, skip()
}

// lineInput is NDJSON.
type lineInput struct{ lines *migrate.Lines }

func (l lineInput) position() inputPosition { return inputPosition{l.lines.Offset, l.lines.Number} }
func (l lineInput) head() []byte            { return nil }
func (l lineInput) close()                  {}

func (l lineInput) next() (importRow, error) {
	text, err := l.lines.Next()
	row := importRow{number: l.lines.Number, line: bytes.TrimSpace(text), raw: text}
	if errors.Is(err, migrate.ErrLong) {
		row.refused, err = err, nil
	}
	return row, err
}

// rowInput is CSV.
type rowInput struct {
	users *csvUsers
	from  inputPosition
	lines int // up to the row read last
}

func (c *rowInput) position() inputPosition {
	return inputPosition{c.from.Offset + c.users.rows.InputOffset(), c.from.Line + c.lines}
}

func (c *rowInput) head() []byte { return rowText(c.users.header) }
func (c *rowInput) close()       {}

func (c *rowInput) next() (importRow, error) {
	cells, number, line, refused, err := c.users.next()
	if err != nil {
		return importRow{}, err
	}
	raw := rowText(cells)
	c.lines = number + bytes.Count(raw, []byte("\n")) - 1
	return importRow{number: c.from.Line + number, line: line, refused: refused, raw: raw}, nil
}

// rowText is a row as a CSV file has it.
func rowText(cells []string) []byte {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	_ = w.Write(cells) // a buffer takes everything
	w.Flush()
	return text.Bytes()
}
