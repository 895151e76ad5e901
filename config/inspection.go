package config

import (
	"time"
)

// TokensCommand are the commands on tokens.
type TokensCommand struct {
	Inspect TokensInspect `cmd:"" help:"Show what a token says, verify it with the server's published keys, and ask the server whether it still stands."`
}

// TokensInspect are the settings of the tokens inspect command.
type TokensInspect struct {
	API  `embed:"" group:"Server"`
	Text string `arg:"" name:"token" optional:"" help:"The token. Default: read from standard input, where other users of the machine cannot see it."`
}

// AuditCommand are the commands on the audit log.
type AuditCommand struct {
	List   AuditList   `cmd:"" help:"List events, latest first."`
	Export AuditExport `cmd:"" help:"Write events as NDJSON, earliest first."`
	Verify AuditVerify `cmd:"" help:"Check that no event was changed, removed or inserted since it was written."`
}

// AuditSelection says which events are meant.
type AuditSelection struct {
	Actor   string    `flagonly:"" group:"Selection" placeholder:"REF" help:"By whom: user:ID, client:ID, token:ID or system."`
	Target  string    `flagonly:"" group:"Selection" placeholder:"REF" help:"Of what: user:ID, client:ID, key:KID and so on."`
	Action  string    `flagonly:"" group:"Selection" placeholder:"NAME" help:"Which action, like user.update; with a dot at the end, all that begin so."`
	Outcome string    `flagonly:"" group:"Selection" placeholder:"OUTCOME" help:"How it ended: success, denied or failed."`
	From    time.Time `flagonly:"" group:"Selection" placeholder:"TIME" help:"From this time on, like 2026-11-21T09:30:00Z."`
	To      time.Time `flagonly:"" group:"Selection" placeholder:"TIME" help:"Before this time."`
}

// AuditList are the settings of the audit list command.
type AuditList struct {
	API            `embed:"" group:"Server"`
	AuditSelection `embed:""`
	Limit          int `flagonly:"" group:"Selection" default:"50" range:"1..100000" help:"How many events to show."`
}

// AuditExport are the settings of the audit export command.
type AuditExport struct {
	API            `embed:"" group:"Server"`
	AuditSelection `embed:""`
}

// AuditVerify are the settings of the audit verify command.
type AuditVerify struct {
	API  `embed:"" group:"Server"`
	Head string `flagonly:"" group:"Selection" placeholder:"HASH" help:"Hash of an event noted before, which must still be in the log."`
}
