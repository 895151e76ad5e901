package config

import (
	"errors"
	"time"
)

// The commands below speak to the management API of a running server. Their own flags have no environment variables: one left over must
// not change what a command does.

// Meta are the commands on metadata.
type Meta struct {
	Get      MetaGet      `cmd:"" help:"Show one entry."`
	List     MetaList     `cmd:"" help:"List all entries."`
	Set      MetaSet      `cmd:"" help:"Set one entry. With --dry-run, show what tokens would say then."`
	Unset    MetaUnset    `cmd:"" help:"Delete entries."`
	History  MetaHistory  `cmd:"" help:"Show who changed what and when, latest first."`
	Rollback MetaRollback `cmd:"" help:"Make an entry, or all of them, what they were at a revision, as a new revision."`
	Preview  MetaPreview  `cmd:"" help:"Show the claims of a user's tokens: now, in the past, or after a change that is not made."`
}

// Subject is whose metadata a command is about.
type Subject struct {
	Of  string `arg:"" name:"subject" help:"A user, by id, username or verified address; group:SLUG for what the members of a group inherit, org:SLUG for what everybody of an organisation does."`
	App string `flagonly:"" group:"Subject" placeholder:"CLIENT" help:"The entries of this application about the user, in place of those every application sees."`
}

// MetaGet are the settings of the meta get command.
type MetaGet struct {
	API     `embed:"" group:"Server"`
	Subject `embed:""`
	Key     string `arg:"" help:"The key."`
}

// MetaList are the settings of the meta list command.
type MetaList struct {
	API     `embed:"" group:"Server"`
	Subject `embed:""`
}

// MetaSet are the settings of the meta set command.
type MetaSet struct {
	API     `embed:"" group:"Server"`
	Subject `embed:""`
	Key     string `arg:"" help:"The key."`
	Value   string `arg:"" help:"The value: text, or any JSON with --json. A single - reads it from standard input."`
	JSON    bool   `flagonly:"" name:"json" group:"Entry" help:"The value is JSON: 42, true, [1,2]."`
	Claim   *bool  `flagonly:"" negatable:"" group:"Entry" help:"Whether the entry appears in tokens. Unsaid, the definition of the key decides, or else it does not."`
	IfMatch string `flagonly:"" group:"Entry" placeholder:"REVISION" help:"Only if the entry still has this revision; none, only if there is no such entry."`
	DryRun  bool   `flagonly:"" group:"Entry" help:"Change nothing; show what tokens would say."`
}

// MetaUnset are the settings of the meta unset command.
type MetaUnset struct {
	API     `embed:"" group:"Server"`
	Subject `embed:""`
	Keys    []string `arg:"" name:"key" sep:"none" help:"The keys."`
}

// MetaHistory are the settings of the meta history command.
type MetaHistory struct {
	API     `embed:"" group:"Server"`
	Subject `embed:""`
	Key     string `flagonly:"" group:"Selection" placeholder:"KEY" help:"Only changes of this key."`
	Limit   int    `flagonly:"" group:"Selection" default:"20" range:"1..10000" help:"How many changes to show."`
}

// MetaRollback are the settings of the meta rollback command.
type MetaRollback struct {
	API      `embed:"" group:"Server"`
	Subject  `embed:""`
	Revision uint64 `arg:"" help:"The revision to go back to."`
	Key      string `flagonly:"" group:"Selection" placeholder:"KEY" help:"Only this key. Default: all of them."`
	Yes      bool   `flagonly:"" group:"Confirmation" help:"Do it without asking."`
}

// MetaPreview are the settings of the meta preview command.
type MetaPreview struct {
	API      `embed:"" group:"Server"`
	User     string    `arg:"" help:"A user, by id, username or verified address."`
	Client   string    `flagonly:"" group:"Tokens" placeholder:"CLIENT" help:"The client that gets the tokens. Default: one that sees everything."`
	Scope    string    `flagonly:"" group:"Tokens" placeholder:"SCOPES" help:"The scopes it asks for, with spaces between."`
	At       time.Time `flagonly:"" group:"Past" placeholder:"TIME" help:"What tokens said at this time, like 2026-11-21T09:30:00Z."`
	Revision uint64    `flagonly:"" group:"Past" placeholder:"REVISION" help:"What tokens said at this revision of the user's entries, their claims_rev. The rest is as it is now, unless --at or the next two say otherwise."`
	AppRev   *uint64   `flagonly:"" name:"app-revision" group:"Past" placeholder:"REVISION" help:"The same for the client's own entries about the user, claims_app_rev; 0 for none."`
	OrgRev   *uint64   `flagonly:"" name:"org-revision" group:"Past" placeholder:"REVISION" help:"The same for what the organisation had laid down, claims_org_rev; 0 for nothing."`
	Set      []string  `flagonly:"" sep:"none" group:"Change" placeholder:"KEY=TEXT" help:"With this entry; may be repeated."`
	SetJSON  []string  `flagonly:"" name:"set-json" sep:"none" group:"Change" placeholder:"KEY=JSON" help:"With this entry of any JSON; may be repeated."`
	Claim    bool      `flagonly:"" group:"Change" help:"The entries set are to appear in tokens, whatever their definitions leave open."`
	Unset    []string  `flagonly:"" sep:"none" group:"Change" placeholder:"KEY" help:"Without this entry; may be repeated."`
}

func (m *MetaPreview) check(f *faults) {
	m.API.check(f)
	for flag, pairs := range map[string][]string{"set": m.Set, "set-json": m.SetJSON} {
		checkPairs(f, flag, pairs)
	}
	past := m.Revision > 0 || m.AppRev != nil || m.OrgRev != nil || !m.At.IsZero()
	if change := len(m.Set)+len(m.SetJSON)+len(m.Unset) > 0; past && change {
		f.lines = append(f.lines, errors.New("the past cannot be changed: give --at or revisions, or a change"))
	}
}
