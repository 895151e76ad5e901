package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/cmd/claimsmith/migrate"
)

// maxCSVColumns is how many metadata keys a table is made of at most.
const maxCSVColumns = 1000

var errColumns = fmt.Errorf("the users have entries of more than %d keys, too many for a table; export ndjson", maxCSVColumns)

// csvExport makes users a table. Which columns it has is only known at the end, so they wait in a file.
type csvExport struct {
	out   io.Writer
	spool *os.File
	lines *bufio.Writer

	used    map[string]bool       // csvColumns, by name, and groups
	entries map[entryColumn]*bool // json is false in these; whether texts will not do
}

func newCSVExport(out io.Writer) (*csvExport, error) {
	spool, err := os.CreateTemp("", "claimsmith-export-*") // which only its owner may read
	if err != nil {
		return nil, err
	}
	return &csvExport{
		out: out, spool: spool, lines: bufio.NewWriterSize(spool, 1<<16), used: map[string]bool{"id": true}, entries: map[entryColumn]*bool{},
	}, nil
}

func (c *csvExport) close() { _ = errors.Join(c.spool.Close(), os.Remove(c.spool.Name())) }

func (c *csvExport) add(line []byte) error {
	var p migrate.Line
	if err := json.Unmarshal(line, &p); err != nil {
		return fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	for _, column := range csvColumns {
		if column.cell(&p) != "" {
			c.used[column.name] = true
		}
	}
	if len(p.Groups) > 0 {
		c.used[groupsColumn] = true
	}
	for _, e := range p.Metadata {
		column := columnOf(&e)
		asJSON := c.entries[column]
		if asJSON == nil {
			if len(c.entries) == maxCSVColumns {
				return errColumns
			}
			asJSON = new(bool)
			c.entries[column] = asJSON
		}
		if _, plain := plainText(e.Value); !plain && !column.base64 {
			*asJSON = true
		}
	}
	_, err := c.lines.Write(append(line, '\n'))
	return err
}

// cell is what stands in the column, "" where nothing has to.
func (c csvColumn) cell(p *migrate.Line) string {
	switch {
	case c.text != nil:
		return *c.text(p)
	case c.json != nil:
		return string(*c.json(p))
	case *c.flag(p):
		return "true"
	}
	return ""
}

// plainText is the text a value is, if a cell can give it back exactly: readers of CSV drop carriage returns, and a cell with nothing in it
// is none.
func plainText(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil || len(text) == 0 || strings.ContainsRune(string(text), '\r') {
		return "", false
	}
	again, err := jsontext.AppendQuote(nil, text)
	return string(text), err == nil && string(again) == string(v)
}

// columnOf is the column of an entry, json left open. No bytes are no text, which a cell can be.
func columnOf(e *migrate.Entry) entryColumn {
	if e.ValueBase64 != nil && *e.ValueBase64 == "" {
		e.Value, e.ValueBase64 = jsontext.Value(`""`), nil
	}
	return entryColumn{key: e.Key, base64: e.ValueBase64 != nil, claim: e.Claim()}
}

// write writes the table.
func (c *csvExport) write() error {
	if err := c.lines.Flush(); err != nil {
		return err
	}
	if _, err := c.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var fixed []csvColumn
	var header []string
	for _, column := range csvColumns {
		if c.used[column.name] {
			fixed, header = append(fixed, column), append(header, column.name)
		}
	}
	if c.used[groupsColumn] {
		header = append(header, groupsColumn)
	}
	entries := make([]entryColumn, 0, len(c.entries))
	for column, asJSON := range c.entries {
		column.json = *asJSON
		entries = append(entries, column)
	}
	slices.SortFunc(entries, func(a, b entryColumn) int { return strings.Compare(a.title(), b.title()) })
	place := map[entryColumn]int{}
	for _, column := range entries {
		place[entryColumn{key: column.key, base64: column.base64, claim: column.claim}] = len(header)
		header = append(header, column.title())
	}
	table := csv.NewWriter(c.out)
	if err := table.Write(header); err != nil {
		return err
	}
	lines := bufio.NewScanner(c.spool)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		row := make([]string, len(header))
		var p migrate.Line
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return err
		}
		for n, column := range fixed {
			row[n] = guarded(column.cell(&p))
		}
		if c.used[groupsColumn] {
			row[len(fixed)] = strings.Join(p.Groups, ";")
		}
		for _, e := range p.Metadata {
			column := columnOf(&e)
			cell := string(e.Value)
			if column.base64 {
				cell = *e.ValueBase64
			} else if !*c.entries[column] {
				cell, _ = plainText(e.Value)
			}
			row[place[column]] = guarded(cell)
		}
		if err := table.Write(row); err != nil {
			return err
		}
	}
	table.Flush()
	return errors.Join(lines.Err(), table.Error())
}
