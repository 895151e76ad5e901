package config

import (
	"errors"
	"path/filepath"
	"strings"
)

// Forms of files with users.
const (
	NDJSON = "ndjson"
	CSV    = "csv"
)

// StandardStream stands for standard input, or output, in place of a file.
const StandardStream = "-"

// Import are the settings of the import command.
type Import struct {
	API     `embed:"" group:"Server"`
	File    string `arg:"" help:"File to read. A hyphen: standard input."`
	Format  string `flagonly:"" group:"Input" oneof:"ndjson, csv" placeholder:"FORM" help:"Form of the file. Default: csv where its name ends in .csv, ndjson elsewhere."`
	DryRun  bool   `flagonly:"" group:"Input" help:"Say what would be refused, and change nothing."`
	Rejects string `flagonly:"" group:"Input" placeholder:"FILE" help:"File for the lines that are refused, in the form of the input. Default: the input's name and .rejects; for standard input there is none."`
}

func (i *Import) check(f *faults) {
	i.API.check(f)
	i.Format = formatOf(i.Format, i.File)
	if i.Rejects == "" && i.File != StandardStream {
		i.Rejects = i.File + ".rejects"
	}
	if i.Rejects != "" && (i.Rejects == i.File || i.Rejects == i.Progress()) {
		f.lines = append(f.lines, errors.New("--rejects: must be a file of its own"))
	}
}

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
