package config

import (
	"reflect"
)

// Orgs are the commands on organisations.
type Orgs struct {
	List   OrgsList   `cmd:"" help:"List organisations."`
	Show   OrgsShow   `cmd:"" help:"Show an organisation."`
	Create OrgsCreate `cmd:"" help:"Create an organisation."`
	Update OrgsUpdate `cmd:"" help:"Change an organisation. What is not given stays as it is."`
}

// OrgsList are the settings of the orgs list command.
type OrgsList struct {
	API `embed:"" group:"Server"`
}

// OrgsShow are the settings of the orgs show command.
type OrgsShow struct {
	API  `embed:"" group:"Server"`
	Slug string `arg:"" help:"The organisation."`
}

// Organisation is what can be said of an organisation; nil says nothing.
type Organisation struct {
	Name           *string `flagonly:"" group:"Organisation" placeholder:"TEXT" help:"Name shown to people."`
	ClaimsBudget   *int    `flagonly:"" group:"Organisation" placeholder:"BYTES" help:"How many bytes of claims a user may have. 0: the server's default."`
	HistoryChanges *int    `flagonly:"" group:"Organisation" placeholder:"N" help:"How many changes of a document are remembered. 0: the server's default, 100."`
	HistoryDays    *int    `flagonly:"" group:"Organisation" placeholder:"DAYS" help:"For how many days they are. 0: no bound."`
	LogoURL        *string `flagonly:"" name:"logo-url" group:"Organisation" placeholder:"URL" help:"Address of a logo for its pages."`
	Color          *string `flagonly:"" group:"Organisation" placeholder:"#RRGGBB" help:"Colour of its pages."`
	Disabled       *bool   `flagonly:"" negatable:"" group:"Organisation" help:"Whether nobody gets tokens in it."`
}

// OrgsCreate are the settings of the orgs create command.
type OrgsCreate struct {
	API          `embed:"" group:"Server"`
	Slug         string `arg:"" help:"Name of the organisation in addresses, for ever."`
	Organisation `embed:""`
}

// OrgsUpdate are the settings of the orgs update command.
type OrgsUpdate struct {
	API          `embed:"" group:"Server"`
	Slug         string `arg:"" help:"The organisation."`
	Organisation `embed:""`
}

func (o *OrgsUpdate) check(f *faults) {
	o.API.check(f)
	somethingSaid(f, !reflect.ValueOf(o.Organisation).IsZero())
}
