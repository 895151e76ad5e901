package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/cmd/claimsmith/migrate"
)

// csvColumn is one of those every file may have. Exactly one of text, flag and json is set.
type csvColumn struct {
	name string
	text func(*migrate.Line) *string
	flag func(*migrate.Line) *bool
	json func(*migrate.Line) *jsontext.Value
}

const groupsColumn = "groups"

// csvColumns are in the order export writes them in.
var csvColumns = []csvColumn{
	{name: "id", text: func(p *migrate.Line) *string { return &p.ID }},
	{name: "username", text: func(p *migrate.Line) *string { return &p.Username }},
	{name: "email", text: func(p *migrate.Line) *string { return &p.Email }},
	{name: "email_verified", flag: func(p *migrate.Line) *bool { return &p.EmailVerified }},
	{name: "password", text: func(p *migrate.Line) *string { return &p.Password }},
	{name: "password_hash", text: func(p *migrate.Line) *string { return &p.PasswordHash }},
	{name: "hash_algorithm", text: func(p *migrate.Line) *string { return &p.HashAlgorithm }},
	{name: "temporary", flag: func(p *migrate.Line) *bool { return &p.Temporary }},
	{name: "disabled", flag: func(p *migrate.Line) *bool { return &p.Disabled }},
	{name: "name", text: func(p *migrate.Line) *string { return &p.Profile.Name }},
	{name: "given_name", text: func(p *migrate.Line) *string { return &p.Profile.GivenName }},
	{name: "family_name", text: func(p *migrate.Line) *string { return &p.Profile.FamilyName }},
	{name: "middle_name", text: func(p *migrate.Line) *string { return &p.Profile.MiddleName }},
	{name: "nickname", text: func(p *migrate.Line) *string { return &p.Profile.Nickname }},
	{name: "preferred_username", text: func(p *migrate.Line) *string { return &p.Profile.PreferredUsername }},
	{name: "profile", text: func(p *migrate.Line) *string { return &p.Profile.ProfileURL }},
	{name: "picture", text: func(p *migrate.Line) *string { return &p.Profile.Picture }},
	{name: "website", text: func(p *migrate.Line) *string { return &p.Profile.Website }},
	{name: "gender", text: func(p *migrate.Line) *string { return &p.Profile.Gender }},
	{name: "birthdate", text: func(p *migrate.Line) *string { return &p.Profile.Birthdate }},
	{name: "zoneinfo", text: func(p *migrate.Line) *string { return &p.Profile.Zoneinfo }},
	{name: "locale", text: func(p *migrate.Line) *string { return &p.Profile.Locale }},
	{name: "phone_number", text: func(p *migrate.Line) *string { return &p.Profile.PhoneNumber }},
	{name: "phone_number_verified", flag: func(p *migrate.Line) *bool { return &p.Profile.PhoneNumberVerified }},
	{name: "address.formatted", text: func(p *migrate.Line) *string { return &p.Profile.Address.Formatted }},
	{name: "address.street_address", text: func(p *migrate.Line) *string { return &p.Profile.Address.StreetAddress }},
	{name: "address.locality", text: func(p *migrate.Line) *string { return &p.Profile.Address.Locality }},
	{name: "address.region", text: func(p *migrate.Line) *string { return &p.Profile.Address.Region }},
	{name: "address.postal_code", text: func(p *migrate.Line) *string { return &p.Profile.Address.PostalCode }},
	{name: "address.country", text: func(p *migrate.Line) *string { return &p.Profile.Address.Country }},
	{name: "biography", json: func(p *migrate.Line) *jsontext.Value { return &p.Biography }},
}

// entryColumn is a column of one metadata key: metadata.<key>, then :json for values in JSON or :base64 for bytes in place of texts, then !
// for claims. A key that ends in what would mean something is followed by :text.
type entryColumn struct {
	key    string
	json   bool
	base64 bool
	claim  bool
}

const (
	entryPrefix  = "metadata."
	jsonSuffix   = ":json"
	base64Suffix = ":base64"
	textSuffix   = ":text"
	claimSuffix  = "!"
)

func (c entryColumn) title() string {
	title := entryPrefix + c.key
	switch {
	case c.json:
		title += jsonSuffix
	case c.base64:
		title += base64Suffix
	case slices.ContainsFunc([]string{jsonSuffix, base64Suffix, textSuffix, claimSuffix}, func(suffix string) bool {
		return strings.HasSuffix(c.key, suffix)
	}):
		title += textSuffix
	}
	if c.claim {
		title += claimSuffix
	}
	return title
}

func parseEntryColumn(title string) (c entryColumn, ok bool) {
	rest, ok := strings.CutPrefix(title, entryPrefix)
	if !ok {
		return c, false
	}
	rest, c.claim = strings.CutSuffix(rest, claimSuffix)
	if rest, c.json = strings.CutSuffix(rest, jsonSuffix); !c.json {
		if rest, c.base64 = strings.CutSuffix(rest, base64Suffix); !c.base64 {
			rest, _ = strings.CutSuffix(rest, textSuffix)
		}
	}
	c.key = rest
	return c, rest != ""
}

// risky is what spreadsheets take for the beginning of a formula (row M-16).
const risky = "=+-@\t\r"

// guarded is a cell that no spreadsheet executes: an apostrophe goes before what is risky, and before what begins with apostrophes
// and then is, so that unguarded gives back every text.
func guarded(cell string) string {
	if isRisky(cell) {
		return "'" + cell
	}
	return cell
}

func unguarded(cell string) string {
	if rest, found := strings.CutPrefix(cell, "'"); found && isRisky(rest) {
		return rest
	}
	return cell
}

func isRisky(cell string) bool {
	rest := strings.TrimLeft(cell, "'")
	return rest != "" && strings.IndexByte(risky, rest[0]) >= 0
}

// csvUsers makes the rows of a CSV file users.
type csvUsers struct {
	rows   *csv.Reader
	header []string
	set    []func(*migrate.Line, string) error // by column
}

var errHeader = errors.New("the first line of a CSV file names its columns")

// newCSVUsers reads the names of the columns.
func newCSVUsers(r io.Reader) (*csvUsers, error) {
	c := &csvUsers{rows: csv.NewReader(r)}
	c.rows.FieldsPerRecord = -1 // one row that is wrong is refused by itself
	header, err := c.rows.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errHeader, err)
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	c.header = header
	for n, title := range header {
		if slices.Contains(header[:n], title) {
			return nil, fmt.Errorf("%w: %q is there twice", errHeader, title)
		}
		set, ok := columnSetter(title)
		if !ok {
			return nil, fmt.Errorf("%w: %q is none; see docs/import.md", errHeader, title)
		}
		c.set = append(c.set, set)
	}
	return c, nil
}

func columnSetter(title string) (func(*migrate.Line, string) error, bool) {
	if title == groupsColumn {
		return func(p *migrate.Line, cell string) error {
			p.Groups = strings.Split(cell, ";")
			return nil
		}, true
	}
	for _, column := range csvColumns {
		if column.name != title {
			continue
		}
		return func(p *migrate.Line, cell string) error {
			switch {
			case column.text != nil:
				*column.text(p) = cell
				return nil
			case column.json != nil:
				*column.json(p) = jsontext.Value(cell)
				if !column.json(p).IsValid() {
					return fmt.Errorf("%s: not valid JSON", title)
				}
				return nil
			}
			if cell != "true" && cell != "false" {
				return fmt.Errorf("%s: must be true or false", title)
			}
			*column.flag(p) = cell == "true"
			return nil
		}, true
	}
	column, ok := parseEntryColumn(title)
	return func(p *migrate.Line, cell string) error {
		entry := migrate.Entry{Key: column.key, Value: jsontext.Value(cell)}
		if column.claim {
			entry.ProfileClaim = new(true)
		}
		if column.base64 {
			entry.Value, entry.ValueBase64 = nil, &cell
		} else if !column.json {
			var err error
			if entry.Value, err = jsontext.AppendQuote(nil, cell); err != nil {
				return fmt.Errorf("%s: not valid UTF-8", title)
			}
		} else if !entry.Value.IsValid() {
			return fmt.Errorf("%s: not valid JSON", title)
		}
		p.Metadata = append(p.Metadata, entry)
		return nil
	}, ok
}

// next returns the next row that has something in it, the number of its first line, and the user it describes as a line to send, or why it
// describes none. The error is io.EOF, or that of a file from which no more rows can be read.
func (c *csvUsers) next() (row []string, number int, line []byte, refused, err error) {
	for strings.Join(row, "") == "" {
		if row, err = c.rows.Read(); err != nil {
			return nil, 0, nil, nil, err
		}
	}
	number, _ = c.rows.FieldPos(0)
	if len(row) != len(c.set) {
		return row, number, nil, fmt.Errorf("%d columns, the first line has %d", len(row), len(c.set)), nil
	}
	var p migrate.Line
	for n, cell := range row {
		if cell = unguarded(cell); cell == "" {
			continue
		}
		if err := c.set[n](&p, cell); err != nil {
			return row, number, nil, err, nil
		}
	}
	line, refused = json.Marshal(p, json.Deterministic(true))
	return row, number, line, refused, nil
}
