package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
)

// Forms of files with users: the own ones, and what other systems export.
const (
	NDJSON       = "ndjson"
	CSV          = "csv"
	FromAuth0    = "auth0"
	FromSupabase = "supabase"
	FromKeycloak = "keycloak"
	FromZitadel  = "zitadel"
	FromIBL      = "iblai"
	FromSentinel = "sentinel"
)

// StandardStream stands for standard input, or output, in place of a file.
const StandardStream = "-"

// Import are the settings of the import command.
type Import struct {
	API       `embed:"" group:"Server"`
	File      string   `arg:"" help:"File to read. A hyphen: standard input."`
	Format    string   `flagonly:"" group:"Input" oneof:"ndjson, csv, auth0, supabase, keycloak, zitadel, iblai, sentinel" placeholder:"FORM" help:"Form of the file: of this system ndjson or csv; auth0: the file of a job users-exports; supabase: the rows of auth.users in CSV or JSON; keycloak: a realm export with users; zitadel: what the admin service's export answers; iblai: a line of JSON of each answer of platform-metadata; sentinel: a line of JSON of each user with his profiles. Default: csv where its name ends in .csv, ndjson elsewhere."`
	Claims    []string `flagonly:"" name:"claim" group:"Input" sep:"none" placeholder:"KEY" help:"Of another system's file, a key whose entries become profile claims; may be repeated. Of auth0 and supabase it is one of app_metadata; what users write of themselves is user_metadata.KEY."`
	Passwords string   `flagonly:"" group:"Input" placeholder:"FILE" help:"Of auth0, the file of password hashes that its support exports."`
	From      string   `flagonly:"" group:"Input" placeholder:"NAME" help:"Of zitadel and iblai, the organisation there whose users are meant: its id, or the platform's key. Default: the only one."`
	Apps      []string `flagonly:"" name:"app" group:"Input" sep:"none" placeholder:"N=CLIENT" help:"Of sentinel, the client that stands for the application of that number; may be repeated."`
	DryRun    bool     `flagonly:"" group:"Input" help:"Say what would be refused, and change nothing."`
	Rejects   string   `flagonly:"" group:"Input" placeholder:"FILE" help:"File for the lines that are refused, in the form of the input. Default: the input's name and .rejects; for standard input there is none."`
}

func (i *Import) check(f *faults) {
	i.API.check(f)
	i.Format = formatOf(i.Format, strings.TrimSuffix(i.File, rejected))
	if i.Rejects == "" && i.File != StandardStream {
		i.Rejects = i.File + rejected
	}
	if i.Rejects != "" && (i.Rejects == i.File || i.Rejects == i.Progress()) {
		f.lines = append(f.lines, errors.New("--rejects: must be a file of its own"))
	}
	for _, only := range []struct {
		flag  string
		given bool
		forms []string
	}{
		{"claim", len(i.Claims) > 0, []string{FromAuth0, FromSupabase, FromKeycloak, FromZitadel, FromIBL, FromSentinel}},
		{"passwords", i.Passwords != "", []string{FromAuth0}},
		{"from", i.From != "", []string{FromZitadel, FromIBL}},
		{"app", len(i.Apps) > 0, []string{FromSentinel}},
	} {
		if only.given && !slices.Contains(only.forms, i.Format) {
			f.add(only.flag, "only with --format %s", strings.Join(only.forms, ", "))
		}
	}
	if i.Format == FromZitadel && i.File == StandardStream {
		f.add("format", "zitadel is read twice: name the file")
	}
	checkPairs(f, "app", i.Apps)
}

// rejected is what the name of a file of refused lines ends in.
const rejected = ".rejects"

// Progress is the file that says how far an import has come, "" where there is none.
func (i *Import) Progress() string {
	if i.File == StandardStream {
		return ""
	}
	return i.File + ".progress"
}

// Export are the settings of the export command.
type Export struct {
	API     `embed:"" group:"Server"`
	Format  string `flagonly:"" group:"Result" oneof:"ndjson, csv" placeholder:"FORM" help:"Form of the result. Default: csv where the name of the file ends in .csv, ndjson elsewhere."`
	Secrets bool   `flagonly:"" group:"Result" help:"With the hashes of passwords, of those users whom the operator may manage."`
	Out     string `flagonly:"" short:"O" group:"Result" placeholder:"FILE" help:"File to write. Default: standard output."`
}

func (e *Export) check(f *faults) {
	e.API.check(f)
	e.Format = formatOf(e.Format, e.Out)
}

func formatOf(format, file string) string {
	switch {
	case format != "":
		return format
	case strings.EqualFold(filepath.Ext(file), ".csv"):
		return CSV
	}
	return NDJSON
}
